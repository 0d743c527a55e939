"""The collections that a server shows, and their models: opened by the first call that needs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.encode import Encoder
    from embed_plugin.ingest import QdrantSink
    from embed_plugin.ingest.stores.qdrant.backend import Backend
    from embed_plugin.mcp.models import FoundModel
    from embed_plugin.mcp.settings import McpSettings


class OpenCollection(NamedTuple):
    """A collection that is open.

    Attributes:
        name: Its name.
        sink: The collection.
        identity: Its identity.
    """

    name: str
    sink: QdrantSink
    identity: CollectionIdentity


class Collections:
    """The collections of one store. One thread at a time may call a method.

    Args:
        settings: The store, the collections and where their models are.
        clock: Seconds, for the time without a call.
    """

    def __init__(self, settings: McpSettings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings
        self._clock = clock
        self._used = clock()
        self._backend: Backend | None = None
        self._encoders: dict[FoundModel, Encoder] = {}

    def open(self, name: str) -> OpenCollection:
        """Open a collection, and the store if it is closed.

        Raises:
            TargetError: the store cannot be opened, or is in use; the collection is missing, or is another program's.
        """
        from embed_plugin.ingest import QdrantSink  # noqa: PLC0415 - loads the store's packages

        backend = self._opened()
        resolved = backend.resolve(name)
        description = backend.describe(resolved)
        if description is None:
            there = ", ".join(backend.collections()) or "none"
            raise TargetError(f"{backend.target} has no collection {name!r} (found: {there}). Ingest into it first")
        if description.identity is None:
            raise TargetError(
                f"collection {name!r} in {backend.target} has no identity that this release reads. Take it over with  "
                "embed-plugin adopt , or ingest into another collection"
            )
        return OpenCollection(name, QdrantSink(backend, resolved), description.identity)

    def model_of(self, collection: OpenCollection) -> FoundModel:
        """Find the model of a collection, without loading it.

        Raises:
            ModelFolderError: no folder here is of its fingerprint.
        """
        from embed_plugin.mcp.models import find_model  # noqa: PLC0415 - loads numpy

        return find_model(collection.identity, self.settings.models, collection=collection.name)

    def encoder_of(self, collection: OpenCollection) -> Encoder:
        """Return the encoder of a collection; collections of one model share it.

        Raises:
            ModelFolderError: no folder here is of its fingerprint, or it is damaged.
        """
        from embed_plugin.encode import Encoder  # noqa: PLC0415 - loads the engine

        found = self.model_of(collection)
        if found not in self._encoders:
            self._encoders[found] = Encoder.load(found.folder, dimension=found.dimension)
        return self._encoders[found]

    def release(self) -> None:
        """Close the store, so that another process may open it; the next call opens it again."""
        backend, self._backend = self._backend, None
        if backend is not None:
            backend.close()

    def release_if_idle(self) -> None:
        """Close the store if it was not used for as long as the settings say."""
        if self._clock() - self._used >= self.settings.release_seconds:
            self.release()

    def touch(self) -> None:
        """Note that the store was used now."""
        self._used = self._clock()

    def _opened(self) -> Backend:
        from embed_plugin.ingest.stores.open import open_backend  # noqa: PLC0415 - loads the store's packages

        if self._backend is None:
            made = self.settings
            self._backend = open_backend(made.target, api_key=made.api_key, ca_file=made.ca_file, create=False)
        return self._backend

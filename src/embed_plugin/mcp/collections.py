"""The collections that a server shows, and their models: opened by the first call that needs them."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import TargetError

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.encode import Encoder
    from embed_plugin.ingest import QdrantSink, StoredCollections
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
        self._stored: StoredCollections | None = None
        self._encoders: dict[FoundModel, Encoder] = {}

    def open(self, name: str) -> OpenCollection:
        """Open a collection, and the store if it is closed.

        Raises:
            TargetError: the store cannot be opened, or is in use; the collection is missing, or is another program's.
        """
        stored = self._opened()
        resolved = stored.resolve(name)
        identity = stored.describe(resolved).identity
        if identity is None:
            raise TargetError(
                f"collection {name!r} in {stored.target} has no identity that this release reads. Take it over with  "
                "embed-plugin adopt , or ingest into another collection"
            )
        return OpenCollection(name, stored.sink(resolved), identity)

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
        stored, self._stored = self._stored, None
        if stored is not None:
            stored.close()

    def release_if_idle(self) -> None:
        """Close the store if it was not used for as long as the settings say."""
        if self._clock() - self._used >= self.settings.release_seconds:
            self.release()

    def touch(self) -> None:
        """Note that the store was used now."""
        self._used = self._clock()

    def _opened(self) -> StoredCollections:
        from embed_plugin.ingest import open_collections  # noqa: PLC0415 - loads the store's packages

        if self._stored is None:
            made = self.settings
            self._stored = open_collections(made.target, api_key=made.api_key, ca_file=made.ca_file)
        return self._stored

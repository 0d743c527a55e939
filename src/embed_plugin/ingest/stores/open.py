"""Open a collection: choose the store, and the backend of Qdrant, by the target.

A second store is opened here too, by the scheme of its targets; the result is then a :class:`.Store`.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import import_part
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import (
    MEMORY,
    collection_folder,
    edge_folder,
    is_local_folder,
    is_server,
    open_client,
    require_tls,
)
from embed_plugin.ingest.stores.qdrant.sink import QdrantSink
from embed_plugin.ingest.stores.qdrant.stored_collections import StoredCollections

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.qdrant.backend import Backend


def open_sink(
    target: str,
    collection: str,
    *,
    api_key: str | None = None,
    ca_file: str | Path | None = None,
    create: bool = True,
    settings: CollectionSettings | None = None,
) -> QdrantSink:
    """Open a target and name a collection in it.

    Args:
        target: ``:memory:``, a server's URL, a folder of embedded Qdrant, or ``edge:`` and a folder for qdrant-edge.
            An existing folder is opened by the backend that made it.
        collection: The collection's name.
        api_key: The key of a server; ``QDRANT_API_KEY`` of the environment if None.
        ca_file: Certificates of the CA that an ``https://`` server's certificate is signed by.
        create: Whether a missing folder may be created; it is with the first collection, so that a run that fails
            before leaves nothing behind.
        settings: How to create the collection if it does not exist.

    Raises:
        InvalidInputError: the target is none of these, or does not support one of the settings; the key cannot be one,
            or the CA file cannot be read.
        MissingExtraError: qdrant-edge is not installed.
        TargetError: the server does not answer, or the folder is in use, damaged or not Qdrant's.
    """
    backend = _opened(target, api_key=api_key, ca_file=ca_file, create=create)
    try:
        return QdrantSink(backend, collection, settings=settings)
    except InvalidInputError:
        backend.close()
        raise


def open_collections(
    target: str, *, api_key: str | None = None, ca_file: str | Path | None = None
) -> StoredCollections:
    """Open the collections of a target, for what needs no model; a missing folder has none, and is not made.

    Args:
        target: As :func:`open_sink` takes it.
        api_key: The key of a server; ``QDRANT_API_KEY`` of the environment if None.
        ca_file: Certificates of the CA that an ``https://`` server's certificate is signed by.

    Raises:
        InvalidInputError, MissingExtraError, TargetError: as :func:`open_sink`.
    """
    backend = _opened(target, api_key=api_key, ca_file=ca_file, create=False)
    return StoredCollections(backend, folder_of=partial(collection_folder, target))


def _opened(target: str, *, api_key: str | None, ca_file: str | Path | None, create: bool) -> Backend:
    if ca_file is not None:
        require_tls(target)
    folder = edge_folder(target)
    if folder is not None:
        edge: Backend = import_part("embed_plugin.ingest.stores.qdrant.edge.backend", extra="edge").EdgeBackend(folder)
        return edge
    missing = not (is_server(target) or target == MEMORY or is_local_folder(target))
    return ClientBackend(
        open_client(MEMORY if missing else target, api_key=api_key, ca_file=ca_file),
        target=target,
        create_folder=partial(open_client, target) if create and missing else None,
    )

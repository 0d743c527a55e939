"""A target and a collection's name to a sink, over the engine that is right for the target."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError
from embed_plugin.extras import import_part
from embed_plugin.ingest.stores.qdrant.client.engine import QdrantEngine
from embed_plugin.ingest.stores.qdrant.client.target import edge_folder, open_client
from embed_plugin.ingest.stores.qdrant.sink import QdrantSink

if TYPE_CHECKING:
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.qdrant.engine import Engine


def open_sink(
    target: str,
    collection: str,
    *,
    api_key: str | None = None,
    create: bool = True,
    settings: CollectionSettings | None = None,
) -> QdrantSink:
    """Open a target and name a collection in it.

    Args:
        target: ``:memory:``, a server's URL, a folder of embedded Qdrant, or ``edge:`` and a folder for qdrant-edge.
            A folder that is there is opened by the engine that made it.
        collection: The collection's name.
        api_key: For a server that asks for one; ``QDRANT_API_KEY`` of the environment where None.
        create: Whether a missing folder is made.
        settings: How the collection is made where it is not there.

    Raises:
        InvalidInputError: the target is none of these, or has no such thing as one of the settings.
        MissingExtraError: qdrant-edge is not installed.
        TargetError: the server does not answer, or the folder is in use, damaged or not Qdrant's.
    """
    folder = edge_folder(target)
    engine: Engine
    if folder is not None:
        engine = import_part("embed_plugin.ingest.stores.qdrant.edge.engine", extra="edge").EdgeEngine(folder)
    else:
        engine = QdrantEngine(open_client(target, api_key=api_key, create=create), target=target)
    try:
        return QdrantSink(engine, collection, settings=settings)
    except InvalidInputError:
        engine.close()
        raise

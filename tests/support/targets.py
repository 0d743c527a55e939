"""One Qdrant of each kind, opened as often as a test wants: what one run stores is there for the next."""

from __future__ import annotations

from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from qdrant_client import QdrantClient

from embed_plugin.ingest import QdrantSink, open_sink
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from contextlib import AbstractContextManager
    from pathlib import Path

T = TypeVar("T")
KINDS = ("memory", "folder", "http", "grpc")
"""Those that have aliases."""


@dataclass(frozen=True)
class Place:
    """A Qdrant.

    Attributes:
        opened: Opens a collection of it.
        client: Opens a client of the same points, as another program would; not while a sink is open.
    """

    opened: Callable[[str], AbstractContextManager[QdrantSink]]
    client: Callable[[], AbstractContextManager[QdrantClient]]


@contextmanager
def place_at(url: str) -> Iterator[Place]:
    """Yield the Qdrant of a real server, and drop all that is in it afterwards."""
    with _closing(QdrantClient(url=url)) as client:
        yield Place(lambda name: open_sink(url, name), lambda: _kept(client))
        for one in client.get_collections().collections:
            client.delete_collection(one.name)


@contextmanager
def place_of(kind: str, folder: Path) -> Iterator[Place]:
    """Yield the Qdrant of a kind."""
    with ExitStack() as servers:
        if kind == "folder":
            path = str(folder / "qdrant")
            yield Place(lambda name: open_sink(path, name), lambda: _closing(QdrantClient(path=path)))
            return
        if kind == "memory":
            engine = QdrantClient(":memory:")
            yield Place(lambda name: _kept(QdrantSink(ClientBackend(engine), name)), lambda: _kept(engine))
            engine.close()
            return
        url, behaviour = servers.enter_context(misbehaving_qdrant())
        port = servers.enter_context(grpc_qdrant(behaviour.engine))[0]

        def opened(name: str) -> QdrantSink:
            backend = ClientBackend(open_client(url, prefer_grpc=kind == "grpc", grpc_port=port))
            assert backend._grpc == (kind == "grpc")
            return QdrantSink(backend, name)

        yield Place(opened, lambda: _kept(behaviour.engine))


@contextmanager
def _kept(one: T) -> Iterator[T]:
    yield one


@contextmanager
def _closing(client: QdrantClient) -> Iterator[QdrantClient]:
    yield client
    client.close()

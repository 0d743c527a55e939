"""A collection in each kind of target; servers are doubles on loopback."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import QdrantSink, open_client, open_sink
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("memory", "folder", "edge", "http", "grpc")


@contextmanager
def open_kind(kind: str, folder: Path, collection: str = "notes") -> Iterator[QdrantSink]:
    """Open a new collection in a target of this kind; those of the embedded ones are below the folder."""
    if kind in {"http", "grpc"}:
        with misbehaving_qdrant() as (url, behaviour), grpc_qdrant(behaviour.engine) as (port, _):
            backend = ClientBackend(open_client(url, prefer_grpc=kind == "grpc", grpc_port=port))
            with QdrantSink(backend, collection) as sink:
                yield sink
        return
    if kind == "edge":
        pytest.importorskip("qdrant_edge")
    targets = {"memory": ":memory:", "folder": str(folder / "qdrant"), "edge": f"edge:{folder / 'edge'}"}
    with open_sink(targets[kind], collection) as sink:
        yield sink

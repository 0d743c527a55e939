"""How a collection comes to be: two runs that make it at once, and one that somebody else made empty."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import pytest
from qdrant_client import models

from embed_plugin.errors import SpaceMismatchError, TargetError
from embed_plugin.ingest import Chunk, CollectionSettings, QdrantSink, open_sink
from embed_plugin.ingest.stores.description import Description, VectorShape
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.target import open_client
from embed_plugin.ingest.stores.qdrant.edge.backend import EdgeBackend
from embed_plugin.testing import FakeEncoder
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from pathlib import Path

ENCODER = FakeEncoder()


def backend(kind: str, url: str, grpc_port: int) -> ClientBackend:
    return ClientBackend(open_client(url, prefer_grpc=kind == "grpc", grpc_port=grpc_port))


def fill(sink: QdrantSink, *texts: str) -> None:
    sink.prepare(ENCODER)
    chunks = [Chunk("a", index, len(texts), text, {}, "m", "r", 3) for index, text in enumerate(texts)]
    sink.upsert(chunks, ENCODER.encode_documents(texts))


@pytest.mark.parametrize("kind", ["http", "grpc"])
@pytest.mark.parametrize("bulk_load", [False, True])
def test_a_collection_that_another_run_makes_a_moment_earlier_is_taken(kind: str, *, bulk_load: bool) -> None:
    with misbehaving_qdrant() as (url, seen), grpc_qdrant(seen.engine, behaviour=seen) as (port, _):
        settings = CollectionSettings(bulk_load=bulk_load)
        first, second = (QdrantSink(backend(kind, url, port), "c", settings=settings) for _ in range(2))

        def make() -> None:
            seen.made_meanwhile = None
            fill(first, "one")

        seen.made_meanwhile = make
        with second, first:
            fill(second, "one", "two")
            assert second.count() == 2


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_a_collection_that_another_run_makes_for_another_model_is_refused(kind: str) -> None:
    with misbehaving_qdrant() as (url, seen), grpc_qdrant(seen.engine, behaviour=seen) as (port, _):
        first, second = (QdrantSink(backend(kind, url, port), "c") for _ in range(2))

        def make() -> None:
            seen.made_meanwhile = None
            first.prepare(FakeEncoder(16))

        seen.made_meanwhile = make
        with second, first, pytest.raises(SpaceMismatchError, match="vectors of dimension 16"):
            second.prepare(ENCODER)


def test_an_edge_collection_is_made_by_one_of_two_runs_and_the_other_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = (open_sink(f"edge:{tmp_path / 'edge'}", "c") for _ in range(2))
    make = EdgeBackend._make

    def make_later(*arguments: Any) -> None:  # noqa: ANN401
        monkeypatch.setattr(EdgeBackend, "_make", make)
        fill(first, "one")
        make(*arguments)

    monkeypatch.setattr(EdgeBackend, "_make", make_later)
    with first, second:
        with pytest.raises(TargetError, match=r"open already, here or in another process. Wait for that to end"):
            fill(second, "one", "two")
        assert first.count() == 1
        assert sorted(path.name for path in (tmp_path / "edge").iterdir()) == ["c", "embed_plugin_edge.json"]


def test_what_a_killed_process_left_half_made_is_removed_and_not_what_another_makes_now(tmp_path: Path) -> None:
    old, new = (tmp_path / "edge" / f"c.{name}.half-made" for name in ("old", "new"))
    for folder in (old, new):
        folder.mkdir(parents=True)
    os.utime(old, (0, 0))
    (tmp_path / "edge" / "embed_plugin_edge.json").write_text("{}")
    with open_sink(f"edge:{tmp_path / 'edge'}", "c") as sink:
        sink.prepare(ENCODER)
        assert sink.collections() == ["c"]
    assert (old.exists(), new.exists()) == (False, True)


FOREIGN = {
    "several vectors per point": {
        "vectors_config": models.VectorParams(
            size=32,
            distance=models.Distance.COSINE,
            multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        )
    },
    "vectors of uint8, expected float32 or float16": {
        "vectors_config": models.VectorParams(size=32, distance=models.Distance.COSINE, datatype=models.Datatype.UINT8)
    },
    "the distance manhattan, expected cosine": {
        "vectors_config": models.VectorParams(size=32, distance=models.Distance.MANHATTAN)
    },
    "dimension 31, expected the model's 32": {
        "vectors_config": models.VectorParams(size=31, distance=models.Distance.COSINE)
    },
    "named or sparse vectors": {"vectors_config": {"a": models.VectorParams(size=32, distance=models.Distance.COSINE)}},
    "sparse vectors, expected one unnamed": {
        "vectors_config": {},
        "sparse_vectors_config": {"words": models.SparseVectorParams()},
    },
}


@pytest.mark.parametrize("says", FOREIGN)
@pytest.mark.parametrize("kind", ["memory", "http", "grpc"])
def test_an_empty_foreign_collection_that_takes_no_such_points_is_refused(kind: str, says: str) -> None:
    with misbehaving_qdrant() as (url, seen), grpc_qdrant(seen.engine, behaviour=seen) as (port, sizes):
        seen.engine.create_collection("c", **FOREIGN[says])  # type: ignore[arg-type]
        opened = ClientBackend(seen.engine) if kind == "memory" else backend(kind, url, port)
        with QdrantSink(opened, "c") as sink, pytest.raises(SpaceMismatchError, match=says):
            sink.prepare(ENCODER)
        assert (sizes, seen.writes) == ([], [])


def test_a_collection_whose_every_request_must_name_a_shard_is_refused() -> None:
    shape = VectorShape(ENCODER.dimension, "cosine")
    found = Description({"": shape}, {}, custom_shards=True).mismatch(ENCODER, CollectionSettings())
    assert found == ("custom sharding", "Qdrant's own sharding", "")

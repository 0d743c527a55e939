"""The contract of a sink, over every kind of target; the server's part needs one at QDRANT_URL."""

from __future__ import annotations

import os
import uuid
import warnings
from typing import TYPE_CHECKING

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import SpaceMismatchError, TargetError
from embed_plugin.ingest import Chunk, QdrantSink, open_sink
from embed_plugin.ingest import qdrant_sink as module
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCODER = FakeEncoder()


@pytest.fixture(params=["memory", "folder", pytest.param("server", marks=pytest.mark.server)])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    url = os.environ.get("QDRANT_URL", "")
    if request.param == "server" and not url:
        pytest.skip("needs a Qdrant server: set QDRANT_URL")
    target = {"memory": ":memory:", "folder": str(tmp_path / "qdrant"), "server": url}[request.param]
    with open_sink(target, f"test-{uuid.uuid4()}") as opened:
        yield opened
        opened._client.delete_collection(opened.collection)


def chunks(*texts: str, metadata_hash: str = "m") -> list[Chunk]:
    return [
        Chunk("a", index, len(texts), text, {"n": index}, metadata_hash, "r", 3) for index, text in enumerate(texts)
    ]


def fill(sink: QdrantSink, *texts: str) -> list[str]:
    sink.prepare(ENCODER)
    sink.upsert(chunks(*texts), ENCODER.encode_documents(texts))
    return [sink.id_of(chunk.source_id, chunk.index) for chunk in chunks(*texts)]


def test_a_collection_appears_when_it_is_prepared_and_stays(sink: QdrantSink) -> None:
    assert not sink.check(ENCODER)
    sink.prepare(ENCODER)
    sink.prepare(ENCODER)
    assert sink.check(ENCODER)
    assert sink.collection in sink.collections()


def test_lookup_tells_what_stored_chunks_were_made_from(sink: QdrantSink) -> None:
    ids = fill(sink, "one", "two")
    stored = sink.lookup([*ids, str(uuid.uuid4())])
    assert stored == {
        point: (chunk.text_hash, "r", "m", 2) for point, chunk in zip(ids, chunks("one", "two"), strict=True)
    }


def test_more_points_than_one_request_takes_all_arrive(sink: QdrantSink) -> None:
    ids = fill(sink, *(f"text {number}" for number in range(1100)))
    assert sink.count() == len(sink.lookup(ids)) == 1100


def test_search_returns_the_nearest_chunk_first_with_its_payload(sink: QdrantSink) -> None:
    fill(sink, "one", "two", "three")
    found = sink.search(ENCODER.encode_queries(["two"])[0], limit=2)
    assert [payload["text"] for _, payload in found][:1] == ["two"]
    assert found[0][0] == pytest.approx(1.0, abs=1e-5)
    assert dict(found[0][1]) == chunks("one", "two", "three")[1].payload()


def test_metadata_is_replaced_and_the_vector_stays(sink: QdrantSink) -> None:
    ids = fill(sink, "one")
    sink.set_metadata([Chunk("a", 0, 4, "one", {"new": True}, "n", "r", 3)])
    ((_, payload),) = sink.search(ENCODER.encode_queries(["one"])[0], limit=1)
    assert payload["metadata"] == {"new": True}
    assert sink.lookup(ids)[ids[0]][1:] == ("r", "n", 4)


def test_deleted_points_are_gone_and_missing_ones_no_error(sink: QdrantSink) -> None:
    ids = fill(sink, "one", "two")
    sink.delete([ids[0], str(uuid.uuid4())])
    assert list(sink.lookup(ids)) == ids[1:]


@pytest.mark.parametrize(
    ("encoder", "says"),
    [
        (FakeEncoder(fingerprint="other"), "vectors of the space fake, expected the model's space other"),
        (FakeEncoder(16), "dimension 32, expected the model's 16"),
    ],
)
def test_another_space_is_refused(sink: QdrantSink, encoder: FakeEncoder, says: str) -> None:
    sink.prepare(ENCODER)
    for refused in (sink.prepare, sink.check):
        with pytest.raises(SpaceMismatchError, match=f"{says}.*name another collection"):
            refused(encoder)


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (models.VectorParams(size=32, distance=models.Distance.DOT), "the distance Dot, expected Cosine"),
        ({"named": models.VectorParams(size=32, distance=models.Distance.COSINE)}, "named or sparse vectors"),
    ],
)
def test_a_collection_of_another_kind_is_refused(sink: QdrantSink, vectors: models.VectorParams, says: str) -> None:
    sink._client.create_collection(sink.collection, vectors_config=vectors)
    with pytest.raises(SpaceMismatchError, match=says):
        sink.prepare(ENCODER)


def test_a_foreign_collection_is_taken_over_only_while_it_is_empty(sink: QdrantSink) -> None:
    vectors = models.VectorParams(size=32, distance=models.Distance.COSINE)
    sink._client.create_collection(sink.collection, vectors_config=vectors)
    sink._client.upsert(sink.collection, [models.PointStruct(id=1, vector=[1.0] * 32)])
    with pytest.raises(SpaceMismatchError, match="points of unknown origin"):
        sink.prepare(ENCODER)
    sink._client.delete(sink.collection, models.PointIdsList(points=[1]))
    sink.prepare(ENCODER)
    with pytest.raises(SpaceMismatchError, match="the space fake"):
        sink.check(FakeEncoder(fingerprint="other"))


def test_points_and_identity_survive_closing_the_folder(tmp_path: Path) -> None:
    with open_sink(str(tmp_path / "qdrant"), "c") as sink:
        ids = fill(sink, "one")
    with open_sink(str(tmp_path / "qdrant"), "c", create=False) as sink:
        assert list(sink.lookup(ids)) == ids
        with pytest.raises(SpaceMismatchError):
            sink.check(FakeEncoder(fingerprint="other"))


def test_a_full_disk_is_an_error_of_the_target(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    with open_sink(":memory:", "c") as sink:
        sink.prepare(ENCODER)
        monkeypatch.setattr(QdrantClient, "upsert", full)
        with pytest.raises(TargetError, match=r"No space left on device.*Check that the disk has room"):
            sink.upsert(chunks("one"), np.ones((1, 32), dtype=np.float32))


def test_too_many_points_for_embedded_qdrant_are_warned_of_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_EMBEDDED_POINTS", 1)
    with open_sink(":memory:", "c") as sink, warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        fill(sink, "one", "two")
        fill(sink, "three", "four")
    assert [str(warning.message)[:26] for warning in caught] == [":memory: now holds 2 point"]

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest import QdrantSink, Record, ingest, open_sink, verify
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODER = FakeEncoder(max_tokens=12)
LONG = Record("long", " ".join(f"word{number}" for number in range(40)))


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        ingest([Record(str(number), f"text {number}") for number in range(20)] + [LONG], ENCODER, opened)
        yield opened


def client(sink: QdrantSink) -> QdrantClient:
    """What the collection can be altered with behind the sink's back."""
    assert isinstance(sink._backend, ClientBackend)
    return sink._backend.client


def problems(sink: QdrantSink) -> dict[str, int]:
    return dict(verify(ENCODER, sink).problems)


def test_a_sound_collection_has_no_problems(sink: QdrantSink) -> None:
    pages: list[tuple[int, int]] = []
    found = verify(ENCODER, sink, on_progress=lambda *page: pages.append(page))
    assert (found.is_sound, found.points, found.sources, found.sampled) == (True, 24, 21, 24)
    assert found.least_cosine == pytest.approx(1, abs=1e-5)
    assert pages[-1] == (24, 24)


def test_an_empty_collection_is_sound() -> None:
    with open_sink(":memory:", "empty") as sink:
        sink.prepare(ENCODER)
        assert verify(ENCODER, sink).is_sound


@pytest.mark.parametrize("index", [0, 1, 3])
def test_a_missing_chunk_is_found_with_the_name_of_its_record(sink: QdrantSink, index: int) -> None:
    sink.delete([sink.id_of(record_key("", "long"), index)])
    found = verify(ENCODER, sink)
    assert (dict(found.problems), found.examples) == ({"missing": 1}, {"missing": ["long"]})


def test_chunks_that_disagree_on_their_number_are_found(sink: QdrantSink) -> None:
    client(sink).set_payload("notes", {"chunk_count": 2}, points=[sink.id_of(record_key("", "long"), 1)])
    assert problems(sink) == {"counts": 1}


def test_a_point_of_another_program_is_counted_and_no_problem(sink: QdrantSink) -> None:
    client(sink).upsert("notes", [models.PointStruct(id=7, vector=[1.0] + [0.0] * 31, payload={"text": "x"})])
    found = verify(ENCODER, sink)
    assert (found.is_sound, found.points, found.sources, found.foreign) == (True, 25, 21, 1)


def test_a_point_of_ours_without_its_record_is_found(sink: QdrantSink) -> None:
    client(sink).upsert("notes", [models.PointStruct(id=7, vector=[1.0] + [0.0] * 31, payload={"record_hash": "x"})])
    found = verify(ENCODER, sink)
    assert (dict(found.problems), found.examples["unknown"], found.foreign) == ({"unknown": 1}, ["point 7"], 0)


def test_a_chunk_under_another_id_is_found(sink: QdrantSink) -> None:
    stray = sink.id_of(record_key("", "nobody"), 0)
    (found,) = client(sink).retrieve("notes", [sink.id_of(record_key("", "3"), 0)])
    vector = ENCODER.encode_documents(["text 3"])[0].tolist()
    client(sink).upsert("notes", [models.PointStruct(id=stray, vector=vector, payload=found.payload)])
    assert problems(sink) == {"wrong_id": 1, "counts": 1}


def test_an_altered_text_is_found_by_its_hash_and_by_its_vector(sink: QdrantSink) -> None:
    client(sink).set_payload("notes", {"text": "quite another text"}, points=[sink.id_of(record_key("", "3"), 0)])
    found = verify(ENCODER, sink)
    assert dict(found.problems) == {"text_hash": 1, "other_vector": 1}
    assert found.examples["other_vector"][0].startswith("3 [0] (cosine")


@pytest.mark.parametrize("number", [np.nan, np.inf, 0.0, 0.5])
def test_vectors_that_are_none_are_found(sink: QdrantSink, number: float, monkeypatch: pytest.MonkeyPatch) -> None:
    scan = sink.scan

    def damaged(*, with_vectors: bool = False) -> Iterator[object]:
        for page in scan(with_vectors=with_vectors):
            if page[0].vector is not None:
                page[0].vector[:] = number
            yield page

    monkeypatch.setattr(sink, "scan", damaged)  # Qdrant itself takes no such vector
    assert problems(sink) == {"vector": 1}


def test_another_model_and_another_collection_are_refused(sink: QdrantSink) -> None:
    with pytest.raises(SpaceMismatchError):
        verify(FakeEncoder(fingerprint="other"), sink)
    with open_sink(":memory:", "nothing") as nothing, pytest.raises(TargetError, match="no collection 'nothing'"):
        verify(ENCODER, nothing)
    with pytest.raises(InvalidInputError, match="a sample of -1"):
        verify(ENCODER, sink, sample=-1)

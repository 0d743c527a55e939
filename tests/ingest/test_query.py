from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest import JSON, Hit, QdrantSink, Record, ingest, open_sink, search
from embed_plugin.ingest.ids import record_key
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

ENCODER = FakeEncoder()


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        ingest(
            [Record("a", "first"), Record("b", "second", {"n": 1}), Record("c", "third")],
            ENCODER,
            opened,
        )
        yield opened


def test_the_nearest_chunk_is_found_with_all_that_was_stored(sink: QdrantSink) -> None:
    hits = search("second", ENCODER, sink, limit=2)
    metadata: dict[str, JSON] = {"record_id": "b", "chunk": 0, "start": 0, "end": 6, "n": 1}
    point = sink.id_of(record_key("", "b"), 0)
    assert hits[0] == Hit(pytest.approx(1.0, abs=1e-5), "b", 0, "second", metadata, point_id=point)  # type: ignore[arg-type]
    assert len(hits) == 2
    assert hits[0].score > hits[1].score


def test_an_instruction_is_part_of_the_query(sink: QdrantSink) -> None:
    plain, instructed = (
        search("first", ENCODER, sink, limit=1, instruction=each)[0] for each in (None, "find the bug")
    )
    assert plain.score == pytest.approx(1.0, abs=1e-5)
    assert instructed.score < 0.9


@pytest.mark.parametrize("encoder", [FakeEncoder(fingerprint="other"), FakeEncoder(8)])
def test_a_query_of_another_space_is_refused(sink: QdrantSink, encoder: FakeEncoder) -> None:
    with pytest.raises(SpaceMismatchError):
        search("second", encoder, sink)


def test_a_missing_collection_is_named_with_those_that_are_there(sink: QdrantSink) -> None:
    with pytest.raises(TargetError, match=r"no collection 'nots' \(found: notes\)"):
        search("second", ENCODER, QdrantSink(sink._backend, "nots"))


@pytest.mark.parametrize(("query", "limit"), [(" ", 5), ("second", 0)])
def test_a_question_about_nothing_is_refused(sink: QdrantSink, query: str, limit: int) -> None:
    with pytest.raises(InvalidInputError):
        search(query, ENCODER, sink, limit=limit)

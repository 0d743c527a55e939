from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import (
    IngestSettings,
    IngestSummary,
    Observer,
    QdrantSink,
    Record,
    Rejected,
    Shard,
    ingest,
    open_sink,
)
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.stores.qdrant.backend import PointBatch
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

RECORDS = [Record(str(number), f"text {number}") for number in range(20)]
ENCODER = FakeEncoder()


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        ingest([*RECORDS, Record("long", "word " * 200)], ENCODER, opened)
        yield opened


def mirror(
    sink: QdrantSink, records: Sequence[Record | Rejected], **settings: object
) -> tuple[IngestSummary, list[str]]:
    removed: list[str] = []
    observer = Observer(
        on_removed=lambda chunks: removed.extend(chunk.source_id for chunk in chunks), on_rejected=lambda _: None
    )
    chosen = IngestSettings(mirror=True, **settings)  # type: ignore[arg-type]
    return ingest(records, ENCODER, sink, settings=chosen, observer=observer), removed


def test_records_that_are_gone_from_the_source_are_removed(sink: QdrantSink) -> None:
    before = sink.count()
    summary, removed = mirror(sink, [*RECORDS[2:], Record("long", "word " * 200)])
    assert (summary.removed, summary.sources["removed"], summary.mirror_refused) == (2, 2, None)
    assert sorted(removed) == ["0", "1"]
    assert sink.count() == before - 2


def test_every_chunk_of_a_record_goes_with_it(sink: QdrantSink) -> None:
    summary, removed = mirror(sink, RECORDS, max_delete=0.5)
    assert (removed, sink.count(), summary.sources["removed"]) == (["long"], 20, 1)


def test_more_than_was_allowed_stays_and_the_summary_says_why(sink: QdrantSink) -> None:
    before = sink.count()
    summary, removed = mirror(sink, RECORDS[5:])
    assert summary.mirror_refused is not None
    assert (
        "6 records, are of no record that was read: 37.5%, and more than 10.0% are not removed"
        in summary.mirror_refused
    )
    assert (summary.removed, removed, sink.count()) == (0, [], before)


@pytest.mark.parametrize("records", [[], [Record("new", " ")]])
def test_an_empty_source_removes_nothing(sink: QdrantSink, records: list[Record]) -> None:
    before = sink.count()
    summary, _ = mirror(sink, records, max_delete=0.99)
    assert summary.mirror_refused is not None
    assert sink.count() == before


def test_a_source_that_could_not_be_read_whole_removes_nothing(sink: QdrantSink) -> None:
    summary, _ = mirror(sink, [*RECORDS[1:], Rejected("x:1: not JSON", "x:1")], max_delete=1)
    assert summary.mirror_refused is not None
    assert "not all could be read" in summary.mirror_refused
    assert sink.count() == 24


def test_a_dry_run_tells_what_would_go(sink: QdrantSink) -> None:
    summary, removed = mirror(sink, [*RECORDS[1:], Record("long", "word " * 200)], dry_run=True)
    assert (summary.removed, removed, sink.count()) == (1, ["0"], 24)


def test_a_shard_removes_only_what_is_its_own(sink: QdrantSink) -> None:
    summary, removed = mirror(sink, RECORDS[:1], shard=Shard(2, 2), max_delete=1)
    assert removed
    assert all(Shard(2, 2).holds([record_key("", name) for name in removed]))
    assert sink.count() == 24 - summary.removed


def test_a_record_that_was_rejected_is_not_gone(sink: QdrantSink) -> None:
    rejected = Rejected("x:1: the text is a number", "x:1", "0")
    _, removed = mirror(sink, [rejected, *RECORDS[2:], Record("long", "word " * 200)])
    assert removed == ["1"]


@pytest.mark.parametrize("max_delete", [-0.1, 1.1, float("nan")])
def test_a_part_that_is_none_is_refused(max_delete: float) -> None:
    with pytest.raises(InvalidInputError, match="max_delete"):
        IngestSettings(max_delete=max_delete)


def test_a_few_records_may_always_go(sink: QdrantSink) -> None:
    summary, removed = mirror(sink, RECORDS[2:], max_delete=0)  # two records, and the long one of four chunks
    assert (sorted(removed), summary.removed, sink.count()) == (["0", "1", "long"], 6, 18)


@pytest.mark.parametrize(("allowed", "left"), [({}, 18), ({"max_delete_records": 4}, 14), ({"max_delete": 0.3}, 14)])
def test_beyond_those_the_part_decides(sink: QdrantSink, allowed: dict[str, float], left: int) -> None:
    mirror(sink, RECORDS[2:])
    summary, _ = mirror(sink, RECORDS[6:], **allowed)
    assert (sink.count(), summary.mirror_refused is None) == (left, left == 14)


def test_a_number_of_records_below_none_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="max_delete_records is -1"):
        IngestSettings(max_delete_records=-1)


def test_points_that_ingest_did_not_make_are_left_alone(sink: QdrantSink) -> None:
    (chunk,) = [chunk for page in sink.scan() for chunk in page if chunk.source_id == "0"]
    vector = ENCODER.encode_documents(["theirs"])
    sink._backend.upsert("notes", PointBatch(["7"], vector, [{"source_id": "x"}]))
    sink._backend.overwrite_payloads("notes", {chunk.id: {"page_content": "theirs too"}})
    summary, _ = mirror(sink, [*RECORDS[1:], Record("long", "word " * 200)], max_delete=1)
    assert (summary.removed, sink.count()) == (0, 25)

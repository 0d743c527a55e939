from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, RecordError, SpaceMismatchError, TargetError
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
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest import JSON, Chunk
    from embed_plugin.types import Vectors

LONG = " ".join(f"word{number}" for number in range(20))
RECORDS = [Record("a", "first text"), Record("b", "second text", {"n": 1}), Record("c", LONG)]


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        yield opened


@pytest.fixture
def encoder() -> FakeEncoder:
    return FakeEncoder(max_tokens=12)


def counts(summary: IngestSummary) -> dict[str, int]:
    done = asdict(summary)
    return {name: done[name] for name in ("embedded", "kept", "metadata_only", "unchanged", "removed") if done[name]}


def test_every_chunk_is_embedded_and_stored_with_its_own_vector(sink: QdrantSink, encoder: FakeEncoder) -> None:
    summary = ingest(RECORDS, encoder, sink)
    assert (summary.records, summary.chunks, summary.tokens) == (3, 4, 4 + 4 + 24)
    assert counts(summary) == {"embedded": 4}
    for text in encoder.encoded:
        ((score, chunk),) = sink.search(encoder.encode_queries([text])[0], limit=1)
        assert chunk.text == text
        assert score == pytest.approx(1.0, abs=1e-5)


def test_a_second_run_embeds_nothing(sink: QdrantSink, encoder: FakeEncoder) -> None:
    ingest(RECORDS, encoder, sink)
    encoder.encoded.clear()
    assert counts(ingest(RECORDS, encoder, sink)) == {"unchanged": 4}
    assert encoder.encoded == []


def test_only_a_changed_text_is_embedded_again(sink: QdrantSink, encoder: FakeEncoder) -> None:
    ingest(RECORDS, encoder, sink)
    encoder.encoded.clear()
    changed = [Record("a", "another text"), *RECORDS[1:]]
    assert counts(ingest(changed, encoder, sink)) == {"embedded": 1, "unchanged": 3}
    assert encoder.encoded == ["another text"]
    assert sink.count() == 4


def test_new_metadata_is_stored_without_embedding(sink: QdrantSink, encoder: FakeEncoder) -> None:
    ingest(RECORDS, encoder, sink)
    encoder.encoded.clear()
    changed = [RECORDS[0], Record("b", "second text", {"n": 2}), RECORDS[2]]
    assert counts(ingest(changed, encoder, sink)) == {"metadata_only": 1, "unchanged": 3}
    assert encoder.encoded == []
    ((_, chunk),) = sink.search(encoder.encode_queries(["second text"])[0], limit=1)
    assert chunk.metadata == {"record_id": "b", "chunk": 0, "start": 0, "end": 11, "n": 2}


def test_chunks_that_a_shortened_record_no_longer_has_are_removed(sink: QdrantSink, encoder: FakeEncoder) -> None:
    ingest(RECORDS, encoder, sink)
    shorter = [Record("c", " ".join(LONG.split()[:10]))]
    assert counts(ingest(shorter, encoder, sink)) == {"kept": 1, "removed": 1}
    assert sink.count() == 3


def test_a_run_that_was_stopped_is_continued(sink: QdrantSink, encoder: FakeEncoder) -> None:
    def stopped() -> Iterator[Record]:
        yield from RECORDS[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        ingest(stopped(), encoder, sink, settings=IngestSettings(window_records=1))
    assert counts(ingest(RECORDS, encoder, sink)) == {"unchanged": 2, "embedded": 2}


def test_equal_texts_in_a_window_are_embedded_once(sink: QdrantSink, encoder: FakeEncoder) -> None:
    summary = ingest([Record(str(number), "same text") for number in range(5)], encoder, sink)
    assert (summary.embedded, encoder.encoded, sink.count()) == (5, ["same text"], 5)


def test_empty_records_are_counted_and_left_out(sink: QdrantSink, encoder: FakeEncoder) -> None:
    summary = ingest([Record("a", " \n"), Record("z", "\0"), RECORDS[1]], encoder, sink)
    assert (summary.records, summary.empty, summary.chunks) == (3, 2, 1)


def test_no_records_make_no_collection(sink: QdrantSink, encoder: FakeEncoder) -> None:
    assert ingest([], encoder, sink).records == 0
    assert sink.collections() == []


def test_a_dry_run_counts_and_writes_nothing(sink: QdrantSink, encoder: FakeEncoder) -> None:
    dry = IngestSettings(dry_run=True)
    assert counts(ingest(RECORDS, encoder, sink, settings=dry)) == {"embedded": 4}
    assert (encoder.encoded, sink.collections()) == ([], [])
    ingest(RECORDS[:1], encoder, sink)
    changed = [Record("a", "first text", {"new": 1}), *RECORDS[1:]]
    assert counts(ingest(changed, encoder, sink, settings=dry)) == {"metadata_only": 1, "embedded": 3}
    assert sink.count() == 1


@pytest.mark.parametrize("window_records", [1, 10])
def test_an_id_used_twice_is_refused_naming_the_place(
    sink: QdrantSink, encoder: FakeEncoder, window_records: int
) -> None:
    twice = [Record("a", "one", place="x.jsonl:1"), Record("b", "two"), Record("a", "three", place="y.jsonl:9")]
    with pytest.raises(RecordError, match=r"y\.jsonl:9: the id 'a' was already used"):
        ingest(twice, encoder, sink, settings=IngestSettings(window_records=window_records))


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_collection_of_another_model_is_refused_before_reading(
    sink: QdrantSink, encoder: FakeEncoder, *, dry_run: bool
) -> None:
    ingest(RECORDS, encoder, sink)
    other = FakeEncoder(fingerprint="other")
    with pytest.raises(SpaceMismatchError):
        ingest(iter(()), other, sink, settings=IngestSettings(dry_run=dry_run))


@pytest.mark.parametrize("settings", [IngestSettings(window_records=2), IngestSettings(window_characters=12)])
def test_progress_is_told_after_each_window(sink: QdrantSink, encoder: FakeEncoder, settings: IngestSettings) -> None:
    told: list[int] = []
    observer = Observer(on_progress=lambda summary: told.append(summary.records))
    ingest(RECORDS, encoder, sink, settings=settings, observer=observer)
    assert told == [2, 3]


@pytest.mark.parametrize("window", [{"window_records": 0}, {"window_characters": 0}])
def test_a_window_of_nothing_is_refused(window: dict[str, int]) -> None:
    with pytest.raises(InvalidInputError):
        IngestSettings(**window)  # type: ignore[arg-type]


def test_a_record_that_is_stored_whole_is_not_tokenised_again(
    sink: QdrantSink, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest(RECORDS, encoder, sink)
    counted: list[str] = []
    count = encoder.count_tokens

    def count_tokens(texts: list[str]) -> object:
        counted.extend(texts)
        return count(texts)

    monkeypatch.setattr(encoder, "count_tokens", count_tokens)
    assert counts(ingest(RECORDS, encoder, sink)) == {"unchanged": 4}
    assert counted == [""]  # what the model itself adds


def test_equal_texts_in_different_windows_are_embedded_once(sink: QdrantSink, encoder: FakeEncoder) -> None:
    records = [Record(str(number), "same text") for number in range(5)]
    summary = ingest(records, encoder, sink, settings=IngestSettings(window_records=2))
    assert (summary.embedded, encoder.encoded, sink.count()) == (5, ["same text"], 5)


def test_a_record_that_is_empty_now_loses_its_chunks(sink: QdrantSink, encoder: FakeEncoder) -> None:
    ingest(RECORDS, encoder, sink)
    assert counts(ingest([Record("c", " ")], encoder, sink)) == {"removed": 2}
    assert sink.count() == 2


def test_another_length_of_chunks_keeps_the_texts_that_stay_the_same(sink: QdrantSink, encoder: FakeEncoder) -> None:
    ingest(RECORDS, encoder, sink)
    summary = ingest(RECORDS, encoder, sink, settings=IngestSettings(chunk_tokens=7))
    assert counts(summary) == {"embedded": 4, "metadata_only": 2}
    assert dict(summary.sources) == {"metadata_only": 2, "changed": 1}


def test_what_is_rejected_is_told_and_the_rest_is_stored(sink: QdrantSink, encoder: FakeEncoder) -> None:
    told: list[Rejected] = []
    bad = Rejected("x.jsonl:2: not JSON", "x.jsonl:2")
    records: list[Record | Rejected] = [RECORDS[0], bad, RECORDS[1], Record("a", "again", place="x.jsonl:4")]
    summary = ingest(records, encoder, sink, observer=Observer(on_rejected=told.extend))
    assert (summary.records, summary.rejected, summary.embedded) == (4, 2, 2)
    assert [rejected.place for rejected in told] == ["x.jsonl:2", "x.jsonl:4"]
    assert told[1].record == {"id": "a", "text": "again", "metadata": {}}


def test_what_the_store_refuses_is_told_and_removes_nothing(
    sink: QdrantSink, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest([Record("a", LONG), RECORDS[1]], encoder, sink)
    told: list[Rejected] = []
    monkeypatch.setattr(sink, "upsert", lambda chunks, _: [Rejected("too odd", "", chunks[0].source_id, 0)])
    summary = ingest([Record("a", "short")], encoder, sink, observer=Observer(on_rejected=told.extend))
    assert (summary.rejected, summary.embedded, summary.removed, sink.count()) == (1, 0, 0, 3)
    assert (summary.records, summary.rejected_records, summary.rejected_chunks) == (1, 0, 1)
    assert told == [Rejected("too odd", "", "a", 0, {"id": "a", "text": "short", "metadata": {}})]


def adds_up(summary: IngestSummary) -> bool:
    stored = sum(summary.sources.get(status, 0) for status in ("new", "changed", "metadata_only", "unchanged"))
    return summary.records == stored + summary.rejected_records + summary.empty


@pytest.mark.parametrize("window_records", [1, 3, 100])
@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize("shard", [Shard(), Shard(1, 2), Shard(2, 2)])
def test_records_are_the_stored_the_rejected_and_the_empty(
    sink: QdrantSink, encoder: FakeEncoder, shard: Shard, window_records: int, *, dry_run: bool
) -> None:
    ingest([Record("0", "old"), Record("1", "text 1"), Record("2", "text 2", {"n": 2})], encoder, sink)
    records: list[Record | Rejected] = [Record(str(number), f"text {number}") for number in range(20)]
    records += [Record("e", " "), Record("3", "again"), Rejected("bad", "x:1", "bad"), Rejected("worse", "x:2")]
    records.append(Rejected("a quote", "x:3", record_count=5))
    settings = IngestSettings(shard=shard, window_records=window_records, dry_run=dry_run)
    summary = ingest(records, encoder, sink, settings=settings, observer=Observer(on_rejected=lambda _: None))
    assert adds_up(summary)
    assert summary.rejected_chunks == 0
    if shard == Shard():
        assert (summary.records, summary.empty, summary.rejected, summary.rejected_records) == (29, 1, 8, 8)
        assert dict(summary.sources) == {"new": 17, "changed": 1, "metadata_only": 1, "unchanged": 1, "empty": 1}


def test_a_record_with_a_refused_chunk_is_tried_again_by_the_next_run(
    sink: QdrantSink, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    upsert = sink.upsert

    def refuse_the_last(chunks: list[Chunk], vectors: Vectors) -> list[Rejected]:
        kept = [row for row, chunk in enumerate(chunks) if chunk.index == 0]
        upsert([chunks[row] for row in kept], vectors[kept])
        return [Rejected("too odd", "", chunk.source_id, chunk.index) for chunk in chunks if chunk.index]

    monkeypatch.setattr(sink, "upsert", refuse_the_last)
    first = ingest(RECORDS, encoder, sink, observer=Observer(on_rejected=lambda _: None))
    monkeypatch.undo()
    second = ingest(RECORDS, encoder, sink)
    assert (first.records, first.rejected, first.rejected_records, first.rejected_chunks) == (3, 1, 0, 1)
    assert (dict(first.sources), dict(second.sources)) == ({"new": 3}, {"unchanged": 2, "changed": 1})
    assert adds_up(first)
    assert adds_up(second)


def test_integers_beyond_64_bits_are_counted_where_their_record_is_stored(
    sink: QdrantSink, encoder: FakeEncoder
) -> None:
    large: list[JSON] = [2**63, -(2**64), 1]
    records = [Record("a", "text", {"n": large}), Record("e", "", {"n": large}), Record("a", "again", {"n": large})]
    told = Observer(on_rejected=lambda _: None)
    first, second = (ingest(records, encoder, sink, observer=told) for _ in range(2))
    assert (first.numbers_as_text, second.numbers_as_text) == (2, 2)
    assert dict(second.sources) == {"unchanged": 1, "empty": 1}


def test_without_anybody_to_tell_the_first_rejection_ends_the_run(sink: QdrantSink, encoder: FakeEncoder) -> None:
    with pytest.raises(RecordError, match="not JSON"):
        ingest([Rejected("x.jsonl:2: not JSON", "x.jsonl:2")], encoder, sink)


def test_a_store_that_fails_ends_the_run_and_later_windows_are_not_tried(
    sink: QdrantSink, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[int] = []

    def fails(chunks: list[object], _: object) -> list[Rejected]:
        tried.append(len(chunks))
        raise TargetError("no disk")

    monkeypatch.setattr(sink, "upsert", fails)
    with pytest.raises(TargetError, match="no disk"):
        ingest(RECORDS, encoder, sink, settings=IngestSettings(window_records=1))
    assert tried == [1]


def test_shards_together_are_one_run(sink: QdrantSink, encoder: FakeEncoder) -> None:
    records = [Record(str(number), f"text {number}") for number in range(50)]
    parts = [ingest(records, encoder, sink, settings=IngestSettings(shard=Shard(part, 3))) for part in (1, 2, 3)]
    assert sum(part.embedded for part in parts) == sink.count() == 50
    assert min(part.embedded for part in parts) > 5
    assert counts(ingest(records, encoder, sink)) == {"unchanged": 50}

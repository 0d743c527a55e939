from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin.ingest import (
    CollectionSettings,
    IngestSettings,
    Observer,
    QdrantSink,
    Record,
    Rejected,
    ingest,
    open_sink,
)
from embed_plugin.ingest.stored_points import StoredPoints
from embed_plugin.testing import FakeEncoder
from support.every_target import KINDS, open_kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin import Vectors
    from embed_plugin.ingest import Chunk, StoredChunk

MIRROR = IngestSettings(mirror=True)
LONG = " ".join(f"word{number}" for number in range(40))
RECORDS = [*(Record(str(number), f"text {number}") for number in range(5)), Record("long", LONG)]


@pytest.fixture(params=KINDS)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    with open_kind(request.param, tmp_path) as opened:
        yield opened


@pytest.fixture
def encoder(sink: QdrantSink) -> FakeEncoder:
    made = FakeEncoder(max_tokens=12)
    ingest(RECORDS, made, sink)
    made.encoded.clear()
    return made


def content(sink: QdrantSink) -> dict[tuple[str, int], StoredChunk]:
    return {(chunk.source_id, chunk.index): chunk for page in sink.scan(with_vectors=True) for chunk in page}


def test_a_renamed_record_keeps_its_vectors(sink: QdrantSink, encoder: FakeEncoder) -> None:
    before = content(sink)
    renamed = [*RECORDS[:5], replace(RECORDS[5], source_id="renamed", metadata={"n": 1})]
    summary = ingest(renamed, encoder, sink, settings=MIRROR)
    assert (encoder.encoded, summary.embedded, summary.tokens, summary.reused, summary.removed) == ([], 0, 0, 4, 4)
    assert (summary.chunks, summary.unchanged, summary.sources["new"]) == (9, 5, 1)
    after = content(sink)
    for index in range(4):
        chunk = after["renamed", index]
        assert chunk.text == before["long", index].text
        cited = {"record_id": "renamed", "chunk": index, "n": 1}
        assert chunk.metadata.items() >= cited.items()
        # Local mode normalises again what it is given, which can change a last bit.
        atol = 0 if "edge" in sink.target else 2e-8
        np.testing.assert_allclose(chunk.vector, before["long", index].vector, rtol=0, atol=atol)  # type: ignore[arg-type]
    assert ("long", 0) not in after


def test_a_dry_run_counts_what_would_be_reused_and_writes_nothing(sink: QdrantSink, encoder: FakeEncoder) -> None:
    renamed = [*RECORDS[1:], replace(RECORDS[0], source_id="renamed"), Record("new", "new")]
    summary = ingest(renamed, encoder, sink, settings=replace(MIRROR, dry_run=True))
    assert (summary.embedded, summary.reused, summary.unchanged, summary.removed) == (1, 1, 8, 1)
    assert ("renamed", 0) not in content(sink)


def test_chunks_that_moved_within_their_record_are_not_embedded_again(sink: QdrantSink, encoder: FakeEncoder) -> None:
    chunks = [content(sink)["long", index].text for index in range(4)]
    inserted = " ".join(f"new{number}" for number in range(len(chunks[0].split())))
    summary = ingest([*RECORDS[:5], Record("long", f"{inserted} {LONG}")], encoder, sink, settings=MIRROR)
    assert (encoder.encoded, summary.reused) == ([inserted], 4)
    assert summary.sources == {"unchanged": 5, "changed": 1, "removed": 0}


def test_two_records_that_swap_their_texts_end_with_the_right_vectors(sink: QdrantSink, encoder: FakeEncoder) -> None:
    swapped = [Record("0", "text 1"), Record("1", "text 0"), *RECORDS[2:]]
    ingest(swapped, encoder, sink, settings=replace(MIRROR, window_records=1))
    for name, text in (("0", "text 1"), ("1", "text 0")):
        vector = content(sink)[name, 0].vector
        assert vector is not None
        np.testing.assert_allclose(vector, encoder.encode_documents([text])[0], atol=1e-6)


def test_without_mirror_the_collection_is_not_scanned(sink: QdrantSink, encoder: FakeEncoder) -> None:
    summary = ingest([replace(RECORDS[0], source_id="renamed")], encoder, sink)
    assert (summary.embedded, summary.reused) == (1, 0)


def test_a_vector_that_is_not_of_the_text_any_more_is_not_taken(
    sink: QdrantSink, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hash of 64 bits may be that of two texts, and a point may have changed since the scan."""
    monkeypatch.setattr(StoredPoints, "with_text", lambda *_: [sink.id_of(RECORDS[1].key, 0)])
    summary = ingest([*RECORDS[1:], replace(RECORDS[0], source_id="renamed")], encoder, sink, settings=MIRROR)
    assert (encoder.encoded, summary.embedded, summary.reused) == (["text 0"], 1, 0)


def test_a_damaged_vector_is_not_taken(encoder: FakeEncoder) -> None:
    class Damaged(QdrantSink):
        def retrieve(self, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredChunk]:
            found = super().retrieve(ids, with_vectors=with_vectors)
            return [replace(chunk, vector=np.full_like(chunk.vector, np.nan)) for chunk in found]

    del encoder
    with open_sink(":memory:", "notes") as opened:
        damaged, made = Damaged(opened._backend, "notes"), FakeEncoder()
        ingest(RECORDS, made, damaged)
        summary = ingest([*RECORDS[1:], replace(RECORDS[0], source_id="x")], made, damaged, settings=MIRROR)
    assert (summary.embedded, summary.reused) == (1, 0)


def test_a_refused_chunk_with_a_known_vector_is_not_counted_as_embedded(
    sink: QdrantSink, encoder: FakeEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(chunks: Sequence[Chunk], _: Vectors) -> list[Rejected]:
        return [Rejected("no", "", chunk.source_id, chunk.index, source_name=chunk.source_name) for chunk in chunks]

    monkeypatch.setattr(sink, "upsert", refuse)
    observer = Observer(on_rejected=lambda _: None)
    renamed = [*RECORDS[1:], replace(RECORDS[0], source_id="renamed"), Record("new", "new")]
    summary = ingest(renamed, encoder, sink, settings=MIRROR, observer=observer)
    assert (summary.chunks, summary.embedded, summary.reused, summary.unchanged) == (10, 0, 0, 8)


def test_sparse_and_named_vectors_are_made_from_the_text_as_ever(tmp_path: Path) -> None:
    encoder = FakeEncoder()
    with open_sink(str(tmp_path / "q"), "notes", settings=CollectionSettings(sparse="bm25")) as sink:
        ingest([Record("a", "a fox jumped"), Record("b", "other")], encoder, sink)
        ingest([Record("c", "a fox jumped"), Record("b", "other")], encoder, sink, settings=MIRROR)
        found = sink.search(encoder.encode_queries(["x"])[0], limit=1, text="fox")
    assert [chunk.source_id for _, chunk in found] == ["c"]


def test_points_are_kept_as_37_bytes_each(sink: QdrantSink, encoder: FakeEncoder) -> None:
    del encoder
    points = StoredPoints.scan(sink, lambda _: True)
    columns = points.texts, points.keys, points.ids, points.source, points.first
    assert sum(column.nbytes for column in columns) == 37 * 9
    empty = StoredPoints.scan(QdrantSink(sink._backend, "notes"), lambda _: False)
    assert not empty.inside([""]).any()

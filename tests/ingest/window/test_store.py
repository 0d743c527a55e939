"""A run may be cut off at any write; the next one always ends where an undisturbed one does."""

from __future__ import annotations

from contextlib import nullcontext
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest import IngestSettings, QdrantSink, Record, StoredChunk, ingest, open_client
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin import Vectors
    from embed_plugin.ingest import Chunk, Rejected

MIRROR = IngestSettings(window_records=2, mirror=True, max_delete=1)
SOURCES = st.dictionaries(st.sampled_from("abcd"), st.integers(0, 5), min_size=1)
"""How many chunks each record has; a record of none is empty."""


class CutOffError(Exception):
    pass


class CutOff(QdrantSink):
    """A real collection whose owner is killed after so many points were written, in the middle of a call or not."""

    points_left = 1_000_000

    def _write(self, write: Callable[..., object], points: Sequence[object], *more: Vectors) -> None:
        done = points[: self.points_left]
        self.points_left -= len(done)
        if done:
            write(done, *(values[: len(done)] for values in more))
        if len(done) < len(points):
            raise CutOffError

    def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> list[Rejected]:
        self._write(super().upsert, chunks, vectors)
        return []

    def set_metadata(self, chunks: Sequence[Chunk]) -> None:
        self._write(super().set_metadata, chunks)

    def delete(self, ids: Sequence[str]) -> None:
        self._write(super().delete, ids)


def records(sources: dict[str, int], version: int) -> list[Record]:
    """Records of so many chunks: 10 words fit into one. Every second chunk has another text in each version."""
    return [
        Record(
            name, " ".join(f"{name}{index}v{version * (index % 2)}w{n}" for index in range(count) for n in range(10))
        )
        for name, count in sources.items()
    ]


def open_cut_off() -> CutOff:
    return CutOff(ClientBackend(open_client(":memory:"), target=":memory:"), "c")


def content(sink: QdrantSink) -> dict[str, StoredChunk]:
    return {chunk.id: chunk for page in sink.scan() for chunk in page}


def assert_all_can_be_found(sink: QdrantSink) -> None:
    stored = {(chunk.source_id, chunk.index): chunk.stored.chunk_count for chunk in content(sink).values()}
    assert all(stored[source_id, 0] > index for source_id, index in stored)


@given(st.lists(st.tuples(SOURCES, st.integers(0, 25)), min_size=1, max_size=5), SOURCES)
def test_a_run_cut_off_anywhere_is_made_up_for_by_the_next(
    runs: list[tuple[dict[str, int], int]], last: dict[str, int]
) -> None:
    encoder, sink, undisturbed = FakeEncoder(max_tokens=12), open_cut_off(), open_cut_off()
    for version, (sources, sink.points_left) in enumerate(runs):
        try:
            ingest(records(sources, version), encoder, sink, settings=MIRROR)
        except CutOffError:
            assert sink.points_left == 0
        assert_all_can_be_found(sink)
    sink.points_left = 1_000_000
    for target in (sink, undisturbed):
        ingest(records(last, 99), encoder, target, settings=MIRROR)
    assert content(sink) == content(undisturbed)


def test_stale_chunks_go_after_the_new_ones_are_stored_and_never_before() -> None:
    encoder, sink = FakeEncoder(max_tokens=12), open_cut_off()
    ingest(records({"a": 5}, 1), encoder, sink)
    sink.points_left = 2  # the new chunk 1, and chunk 0 with its old count
    with pytest.raises(CutOffError):
        ingest(records({"a": 2}, 2), encoder, sink)
    assert {chunk.index for chunk in content(sink).values()} == set(range(5))
    sink.points_left = 1_000_000
    summary = ingest(records({"a": 2}, 2), encoder, sink)
    assert (summary.embedded, summary.kept, summary.removed, sink.count()) == (0, 1, 3, 2)


@pytest.mark.parametrize("points_left", range(4))
def test_a_mirror_cut_off_leaves_what_the_next_run_needs_to_find_the_rest(points_left: int) -> None:
    """If chunk 0 went first, the record would come back as a new one, and its old chunks beyond it would stay."""
    encoder, sink, undisturbed = FakeEncoder(max_tokens=12), open_cut_off(), open_cut_off()
    ingest(records({"a": 1, "b": 3}, 1), encoder, sink)
    sink.points_left = points_left
    with pytest.raises(CutOffError) if points_left < 3 else nullcontext():
        ingest(records({"a": 1}, 1), encoder, sink, settings=MIRROR)
    assert_all_can_be_found(sink)
    sink.points_left = 1_000_000
    for target in (sink, undisturbed):
        ingest(records({"a": 1, "b": 1}, 1), encoder, target)  # it is back, and shorter
    assert content(sink) == content(undisturbed)


def test_a_mirror_cut_off_is_gone_on_with_by_the_next() -> None:
    encoder, sink = FakeEncoder(max_tokens=12), open_cut_off()
    ingest(records({"a": 1, "b": 3}, 1), encoder, sink)
    sink.points_left = 2
    with pytest.raises(CutOffError):
        ingest(records({"a": 1}, 1), encoder, sink, settings=MIRROR)
    sink.points_left = 1_000_000
    summary = ingest(records({"a": 1}, 1), encoder, sink, settings=MIRROR)
    assert (summary.removed, summary.sources["removed"], sink.count()) == (1, 1, 1)


def test_a_rename_cut_off_after_the_new_record_was_stored_is_gone_on_with_by_the_next() -> None:
    encoder, sink = FakeEncoder(max_tokens=12), open_cut_off()
    ingest(records({"a": 3, "b": 1}, 1), encoder, sink)
    (old, other), sink.points_left = records({"a": 3, "b": 1}, 1), 3
    renamed = [replace(old, source_id="c"), other]
    encoder.encoded.clear()
    with pytest.raises(CutOffError):
        ingest(renamed, encoder, sink, settings=MIRROR)
    assert sink.count() == 7
    sink.points_left = 1_000_000
    summary = ingest(renamed, encoder, sink, settings=MIRROR)
    assert (encoder.encoded, summary.unchanged, summary.removed, sink.count()) == ([], 4, 3, 4)

"""Compare a window of records with the collection, and find what has changed.

A stored chunk keeps the hashes of its text, record and metadata. One rule holds at every moment, also after a crash: if
chunk i of a record is stored, so is its chunk 0, whose ``chunk_count`` is above i. So chunk 0 of each record tells the
points to look up, and a record whose hash is on all its chunks is skipped before it is tokenised.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal, NamedTuple, TypeAlias

from embed_plugin.ingest.records import Chunk, Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.ingest.chunk.chunker import Chunker
    from embed_plugin.ingest.stores.sink import Sink, Stored

Status: TypeAlias = Literal["new", "changed", "metadata_only", "unchanged", "empty"]
"""Status of a record, compared with the collection."""


class Reused(NamedTuple):
    """A chunk, and the stored vector of its text, which another point has."""

    chunk: Chunk
    vector: npt.NDArray[np.float32]


@dataclass(frozen=True)
class Change:
    """The changes that one record makes to the collection.

    Attributes:
        record: The record.
        status: Compared with the collection; a record that is empty now may still have stored chunks.
        count: Chunks that it has now.
        embed: Those that need a vector.
        reuse: Those whose text another point has, with its vector.
        moved: Indexes of the record's stored chunks that have the text of one in ``embed``, by the hash of the text.
        refresh: Those whose text is stored, and whose metadata, record or number of chunks has changed.
        stored_count: Chunks that are stored; those from ``count`` on are stale.
    """

    record: Record
    status: Status
    count: int
    embed: tuple[Chunk, ...] = ()
    refresh: tuple[Chunk, ...] = ()
    stored_count: int = 0
    reuse: tuple[Reused, ...] = ()
    moved: Mapping[str, int] = field(default_factory=dict)

    @property
    def key(self) -> str:
        """The record's key."""
        return self.record.key

    @property
    def written(self) -> tuple[Chunk, ...]:
        """The chunks that are stored, or of which the payload is."""
        return (*self.embed, *(one.chunk for one in self.reuse), *self.refresh)

    @property
    def stale(self) -> range:
        """Indexes of the stored chunks that the record no longer has."""
        return range(self.count, self.stored_count)


def find_changes(
    records: Sequence[Record], chunker: Chunker, sink: Sink, *, exists: bool = True
) -> list[Change | Rejected]:
    """Compare records with what is stored; one result for each, in their order.

    Args:
        records: Records with keys of their own.
        chunker: Cuts those that are new or changed.
        sink: The collection.
        exists: Whether the collection exists; if not, everything is new.
    """
    stored = _stored_chunks(records, sink) if exists else {}
    unchanged = {
        record.key
        for record in records
        if _is_unchanged(record, chunker, stored.get(record.key, {})) and not record.is_empty
    }
    to_cut = [record for record in records if not record.is_empty and record.key not in unchanged]
    cut: dict[str, list[Chunk] | Rejected] = {record.key: [] for record in records if record.is_empty}
    cut.update(zip((record.key for record in to_cut), chunker.chunk(to_cut), strict=True))
    return [_change(record, cut.get(record.key), stored.get(record.key, {})) for record in records]


def _stored_chunks(records: Sequence[Record], sink: Sink) -> dict[str, dict[int, Stored]]:
    """The stored chunks of each record, by key and index: one look-up for chunks 0, a second one for the others."""
    firsts = {sink.id_of(record.key, 0): record.key for record in records}
    stored = {firsts[point]: {0: first} for point, first in sink.lookup(list(firsts)).items()}
    others = {
        sink.id_of(key, index): (key, index)
        for key, chunks in stored.items()
        for index in range(1, chunks[0].chunk_count)
    }
    if others:
        for point, chunk in sink.lookup(list(others)).items():
            key, index = others[point]
            stored[key][index] = chunk
    return stored


def _is_unchanged(record: Record, chunker: Chunker, stored: Mapping[int, Stored]) -> bool:
    """Return whether every chunk of the record is stored, made from this text and this metadata."""
    if not stored or len(stored) != stored[0].chunk_count:
        return False
    expected = chunker.hash_of(record), record.metadata_hash, len(stored)
    return all(there[1:] == expected for there in stored.values())


def _change(record: Record, pieces: list[Chunk] | Rejected | None, stored: Mapping[int, Stored]) -> Change | Rejected:
    """Compare a record's chunks with the stored ones; ``pieces`` is None if it was not cut, because it is unchanged."""
    if isinstance(pieces, Rejected):
        return pieces
    stored_count = stored[0].chunk_count if stored else 0
    if pieces is None:
        return Change(record, "unchanged", stored_count, stored_count=stored_count)
    embed = tuple(chunk for chunk in pieces if not _has_vector(chunk, stored))
    refresh = tuple(chunk for chunk in pieces if _has_vector(chunk, stored) and not _is_same(chunk, stored))
    indexes = {there.text_hash: index for index, there in stored.items()}
    moved = {chunk.text_hash: indexes[chunk.text_hash] for chunk in embed if chunk.text_hash in indexes}
    return Change(record, _status(pieces, stored), len(pieces), embed, refresh, stored_count, moved=moved)


def _status(pieces: Sequence[Chunk], stored: Mapping[int, Stored]) -> Status:
    if not pieces:
        return "empty"
    if not stored:
        return "new"
    if len(pieces) != stored[0].chunk_count or not all(_has_vector(chunk, stored) for chunk in pieces):
        return "changed"
    # An edit may leave the text of every chunk as it was, as of white space between two. With another cut the record's
    # hash is another one too; a single chunk is the record's text.
    same_text = len(pieces) == 1 or all(stored[chunk.index].record_hash == chunk.record_hash for chunk in pieces)
    return "metadata_only" if same_text else "changed"


def _has_vector(chunk: Chunk, stored: Mapping[int, Stored]) -> bool:
    return chunk.index in stored and stored[chunk.index].text_hash == chunk.text_hash


def _is_same(chunk: Chunk, stored: Mapping[int, Stored]) -> bool:
    return stored[chunk.index] == (chunk.text_hash, chunk.record_hash, chunk.metadata_hash, chunk.count)

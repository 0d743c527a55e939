"""Store the changes of a window, in an order that a crash may interrupt anywhere.

Chunk 0 of a record is stored before its others, and its ``chunk_count`` is lowered, or the chunk removed, after the
stale ones are removed: so the next run can find every stored chunk from its record's chunk 0. Stale chunks are removed
when all new ones are safe.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.ingest.records import Rejected

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.records import Chunk
    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.ingest.window.compare import Change
    from embed_plugin.types import Vectors


def store_changes(changes: Sequence[Change], vectors: Vectors, sink: Sink) -> list[Rejected]:
    """Store what changed; on return it is safe.

    Args:
        changes: One for each record of a window.
        vectors: ``(n, dimension)``: one for each chunk in the changes' ``embed``, in their order. Those of ``reuse``
            have their own.
        sink: The collection.

    Returns:
        The chunks that the store refused for their content. No chunk of such a record is removed.
    """
    return _WindowWriter(changes, vectors, sink).run()


class _WindowWriter:
    def __init__(self, changes: Sequence[Change], vectors: Vectors, sink: Sink) -> None:
        self._changes = changes
        self._sink = sink
        reused = [one for change in changes for one in change.reuse]
        self._chunks = [chunk for change in changes for chunk in change.embed] + [one.chunk for one in reused]
        self._vectors = np.concatenate([vectors, *(one.vector[np.newaxis] for one in reused)]) if reused else vectors
        self._stored_counts = {change.key: change.stored_count for change in changes}
        self._rejected: list[Rejected] = []

    def run(self) -> list[Rejected]:
        self._upsert(lambda chunk: chunk.index == 0)
        self._refresh([chunk for change in self._changes for chunk in change.refresh if chunk.index == 0])
        self._upsert(lambda chunk: chunk.index > 0)
        self._refresh([chunk for change in self._changes for chunk in change.refresh if chunk.index > 0])
        self._remove_stale()
        return self._rejected

    def _upsert(self, is_wanted: Callable[[Chunk], bool]) -> None:
        refused = self._refused()
        for chunk in self._chunks:
            if is_wanted(chunk) and chunk.key in refused:
                reason = f"chunk 0 of {chunk.source_id!r} was refused, and no other is stored without it"
                self._rejected.append(Rejected(reason, "", chunk.source_id, chunk.index, source_name=chunk.source_name))
        rows = [row for row, chunk in enumerate(self._chunks) if is_wanted(chunk) and chunk.key not in refused]
        if rows:
            chunks = [self._with_stored_count(self._chunks[row]) for row in rows]
            self._rejected += self._sink.upsert(chunks, self._vectors[np.array(rows, dtype=np.intp)])

    def _refresh(self, chunks: Sequence[Chunk]) -> None:
        refused = self._refused()
        chunks = [self._with_stored_count(chunk) for chunk in chunks if chunk.key not in refused]
        if chunks:
            self._sink.set_metadata(chunks)

    def _with_stored_count(self, chunk: Chunk) -> Chunk:
        """Keep the higher count on chunk 0 until the stale chunks are removed."""
        stored_count = self._stored_counts[chunk.key]
        return replace(chunk, count=stored_count) if chunk.index == 0 and stored_count > chunk.count else chunk

    def _remove_stale(self) -> None:
        refused = self._refused()
        shrunk = [change for change in self._changes if change.stale and change.key not in refused]
        id_of = self._sink.id_of
        others = [id_of(change.key, index) for change in shrunk for index in change.stale if index > 0]
        firsts = [id_of(change.key, 0) for change in shrunk if change.count == 0]
        if others:
            self._sink.delete(others)
        if firsts:
            self._sink.delete(firsts)
        remaining = [chunk for change in shrunk for chunk in change.written if chunk.index == 0]
        if remaining:
            self._sink.set_metadata(remaining)

    def _refused(self) -> set[str | None]:
        return {rejected.key for rejected in self._rejected}

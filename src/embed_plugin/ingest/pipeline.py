"""Records to a collection: chunk, compare with what is stored, embed what is new, store it."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.ingest.chunker import Chunker
from embed_plugin.ingest.records import point_id

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from embed_plugin.contracts import TextEncoder
    from embed_plugin.ingest.qdrant_sink import QdrantSink
    from embed_plugin.ingest.records import Chunk, Record
    from embed_plugin.ingest.sink import Stored


@dataclass(frozen=True)
class IngestSettings:
    """How records are ingested.

    Attributes:
        chunk_tokens: Most tokens of a chunk, special tokens and prefix included; None for the model's limit.
        overlap_tokens: Most tokens that a chunk repeats of the one before it.
        window_records: Records that are chunked, looked up and embedded together.
        window_characters: A window ends early when its texts are longer than this; it bounds memory.
        dry_run: Count what would be done; embed and write nothing.
    """

    chunk_tokens: int | None = None
    overlap_tokens: int = 0
    window_records: int = 1024
    window_characters: int = 2_000_000
    dry_run: bool = False

    def __post_init__(self) -> None:
        if self.window_records < 1 or self.window_characters < 1:
            raise InvalidInputError("a window must hold at least one record and one character")


@dataclass(frozen=True)
class IngestSummary:
    """What a run did, or in a dry run would do.

    Attributes:
        records: Records read.
        empty: Records left out because there was nothing in them but whitespace.
        chunks: Chunks of the other records: the sum of the next three.
        embedded: Chunks stored with a new vector.
        metadata_only: Chunks whose text was the same and whose metadata, or number of chunks, was not.
        unchanged: Chunks that were stored as they are.
        removed: Stored chunks that a changed record no longer has.
        tokens: Tokens of the chunks, special tokens and prefix included.
        cut_texts: Texts the encoder cut at its limit: 0, for a chunk is never longer.
        seconds: Wall-clock time.
        texts_per_second: Chunks per second, embedded or not.
    """

    records: int
    empty: int
    chunks: int
    embedded: int
    metadata_only: int
    unchanged: int
    removed: int
    tokens: int
    cut_texts: int
    seconds: float
    texts_per_second: float


def ingest(
    records: Iterable[Record],
    encoder: TextEncoder,
    sink: QdrantSink,
    *,
    settings: IngestSettings | None = None,
    on_progress: Callable[[IngestSummary], None] | None = None,
) -> IngestSummary:
    """Bring a collection up to date with records, embedding only what is new or changed.

    Point ids follow from collection, record and chunk, and every point says what it was made from: a run that
    was stopped is continued by running it again.

    Args:
        records: Read lazily, a window at a time.
        encoder: Makes the vectors.
        sink: The collection; made if it is not there.
        settings: The defaults where None.
        on_progress: Called after each window, when its chunks are stored, with the summary so far.

    Raises:
        RecordError: a record cannot be read or chunked, or two have the same id.
        SpaceMismatchError: the collection holds vectors of another space.
        TargetError: the store cannot be reached or refuses.
    """
    run = _Run(encoder, sink, settings or IngestSettings())
    for window in _windows(records, run.settings):
        run.take(window)
        if on_progress:
            on_progress(run.summary())
    return run.summary()


class _Run:
    def __init__(self, encoder: TextEncoder, sink: QdrantSink, settings: IngestSettings) -> None:
        self.settings = settings
        self._started = time.monotonic()
        self._encoder = encoder
        self._sink = sink
        self._chunker = Chunker(encoder, chunk_tokens=settings.chunk_tokens, overlap_tokens=settings.overlap_tokens)
        self._cut_before = _cut_texts(encoder)
        self._places: dict[str, str] = {}
        self._counts: Counter[str] = Counter()
        self._exists = sink.check(encoder)
        if not settings.dry_run:
            sink.prepare(encoder)
            self._exists = True

    def take(self, window: Sequence[Record]) -> None:
        for record in window:
            self._refuse_second(record)
        full = [record for record in window if not record.is_empty]
        chunks = [chunk for pieces in self._chunker.chunk(full) for chunk in pieces]
        stored = (
            self._sink.lookup([self._sink.id_of(chunk.source_id, chunk.index) for chunk in chunks])
            if self._exists
            else {}
        )
        new, changed, gone = self._compare(chunks, stored)
        if not self.settings.dry_run:
            # First what is gone: after a stop here, the old count still tells the next run of it.
            self._sink.delete(gone)
            self._embed(new)
            self._sink.set_metadata(changed)
        self._counts.update(
            records=len(window),
            empty=len(window) - len(full),
            chunks=len(chunks),
            embedded=len(new),
            metadata_only=len(changed),
            unchanged=len(chunks) - len(new) - len(changed),
            removed=len(gone),
            tokens=sum(chunk.tokens for chunk in chunks),
        )

    def summary(self) -> IngestSummary:
        seconds = time.monotonic() - self._started
        counts = self._counts
        return IngestSummary(
            records=counts["records"],
            empty=counts["empty"],
            chunks=counts["chunks"],
            embedded=counts["embedded"],
            metadata_only=counts["metadata_only"],
            unchanged=counts["unchanged"],
            removed=counts["removed"],
            tokens=counts["tokens"],
            cut_texts=_cut_texts(self._encoder) - self._cut_before,
            seconds=seconds,
            texts_per_second=counts["chunks"] / seconds if seconds else 0.0,
        )

    def _refuse_second(self, record: Record) -> None:
        place = record.place or f"record {len(self._places) + 1}"
        first = self._places.get(record.source_id)
        if first is not None:
            message = (
                f"{place}: the id {record.source_id!r} was already used at {first}. Give every record an id "
                "of its own (--id-field), or ingest the two sources into different collections"
            )
            raise RecordError(message)
        self._places[record.source_id] = place

    def _compare(
        self, chunks: Sequence[Chunk], stored: dict[str, Stored]
    ) -> tuple[list[Chunk], list[Chunk], list[str]]:
        """Chunks to embed, chunks with new metadata, and the ids that a shortened record leaves behind."""
        new: list[Chunk] = []
        changed: list[Chunk] = []
        gone: list[str] = []
        for chunk in chunks:
            there = stored.get(self._sink.id_of(chunk.source_id, chunk.index))
            if there is None or there.text_hash != chunk.text_hash:
                new.append(chunk)
            elif (there.metadata_hash, there.chunk_count) != (chunk.metadata_hash, chunk.count):
                changed.append(chunk)
            if there is not None and chunk.index == 0:
                left = range(chunk.count, there.chunk_count)
                gone += [point_id(self._sink.collection, chunk.source_id, index) for index in left]
        return new, changed, gone

    def _embed(self, chunks: Sequence[Chunk]) -> None:
        """Embed each distinct text once and store every chunk."""
        if not chunks:
            return
        row_of = {text: row for row, text in enumerate(dict.fromkeys(chunk.text for chunk in chunks))}
        vectors = self._encoder.encode_documents(list(row_of))
        rows = np.fromiter((row_of[chunk.text] for chunk in chunks), dtype=np.intp, count=len(chunks))
        self._sink.upsert(chunks, vectors[rows])


def _windows(records: Iterable[Record], settings: IngestSettings) -> Iterator[list[Record]]:
    window: list[Record] = []
    characters = 0
    for record in records:
        window.append(record)
        characters += len(record.text)
        if len(window) >= settings.window_records or characters >= settings.window_characters:
            yield window
            window, characters = [], 0
    if window:
        yield window


def _cut_texts(encoder: TextEncoder) -> int:
    return int(getattr(encoder, "cut_texts", 0))

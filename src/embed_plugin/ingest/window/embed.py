"""Embed windows of chunks in the background, two at a time, and each distinct text once."""

from __future__ import annotations

from collections import deque
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import numpy as np

from embed_plugin.errors import EncodingError, InvalidTextError
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields
from embed_plugin.protocols import token_encoder_of
from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.records import Chunk
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors

_WINDOWS = 2
"""Windows embedded at once: while the last texts of one keep a single worker busy, the next one feeds the others."""

_CACHE_BYTES = 64 << 20
"""Memory for vectors of repeated texts: with 384 dimensions, 36,552 distinct texts."""

_ENTRY_OVERHEAD_BYTES = 300
"""Memory of a cache entry besides its vector: the text's hash, its row, and a slot of the dictionary."""


class Embedding:
    """Embeds windows of chunks in the background; usable in a ``with`` statement.

    Vectors of the latest distinct texts (64 MB of them) are cached, so a repeated text is not embedded again.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._fields = PrefixFields(encoder)
        self._threads = ThreadPoolExecutor(_WINDOWS, thread_name_prefix="embedding")
        self._cached: dict[str, tuple[Future[Vectors], int]] = {}
        self._windows: deque[list[str]] = deque()
        self._max_cached = max(1, _CACHE_BYTES // (4 * encoder.dimension + _ENTRY_OVERHEAD_BYTES))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._threads.shutdown(cancel_futures=True)

    def start(self, chunks: Sequence[Chunk]) -> Callable[[], Vectors]:
        """Start to embed chunks; calling the result waits for their vectors, ``(len(chunks), dimension)``."""
        new = {chunk.text_hash: chunk for chunk in chunks if chunk.text_hash not in self._cached}
        if new:
            future = self._threads.submit(self._encode, list(new.values()))
            self._cached.update({text_hash: (future, row) for row, text_hash in enumerate(new)})
            self._windows.append(list(new))
        places = [self._cached[chunk.text_hash] for chunk in chunks]
        self._evict()
        return lambda: self._gather(places)

    def _encode(self, chunks: list[Chunk]) -> Vectors:
        ids = [chunk.token_ids for chunk in chunks if chunk.token_ids is not None]
        try:
            if len(ids) == len(chunks) and (token_encoder := token_encoder_of(self._encoder)):
                vectors = token_encoder.submit(TokenisedTexts(ids, cut=[])).result()
            else:
                vectors = self._fields.encode([chunk.text for chunk in chunks], [chunk.fields for chunk in chunks])
        except InvalidTextError as error:
            chunk = chunks[error.index]
            raise EncodingError(f"{chunk.source_id!r}, chunk {chunk.index}: {error.problem}") from error
        expected = (len(chunks), self._encoder.dimension)
        if vectors.shape != expected or not np.isfinite(vectors).all():
            found = f"vectors of the shape {vectors.shape}, finite or not, expected finite ones of {expected}"
            raise EncodingError(f"the encoder returned {found}: nothing of them was stored; check the model")
        return vectors

    def _gather(self, places: Sequence[tuple[Future[Vectors], int]]) -> Vectors:
        vectors = np.empty((len(places), self._encoder.dimension), dtype=np.float32)
        for row, (future, there) in enumerate(places):
            vectors[row] = future.result()[there]
        return vectors

    def _evict(self) -> None:
        """Evict the oldest windows' vectors; a waiting :meth:`start` result keeps its own reference."""
        while len(self._cached) > self._max_cached and len(self._windows) > 1:
            for text_hash in self._windows.popleft():
                del self._cached[text_hash]

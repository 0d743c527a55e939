"""Split chunks into requests of a bounded size, and a refused request down to the chunk at fault."""

from __future__ import annotations

from threading import Lock
from typing import TYPE_CHECKING

from embed_plugin.errors import RefusedContentError, TargetError
from embed_plugin.ingest.records import Rejected
from embed_plugin.ingest.stores.qdrant.backend import bytes_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from embed_plugin.ingest.records import Chunk
    from embed_plugin.ingest.stores.qdrant.backend import NamedVectors, OtherVector

REQUEST_POINTS = 256
"""Maximum points of a request that stores them."""

LOOKUP_POINTS = 1024
"""Maximum ids of a request that looks points up or deletes them."""

MOST_REFUSALS = 20
"""Refusals in a row, with one reason, after which that is not about the content of a point."""

REQUEST_BYTES = 8 << 20
"""A quarter of a Qdrant server's default limit."""

_BYTES_OF_A_COMPONENT = 22  # as JSON: "-0.01234567890123456789,", the longest that a float32 is written
_BYTES_OF_A_NUMBER = 4
_BYTES_OF_THE_LEDGER = 512


def requests(
    chunks: Sequence[Chunk], *, dimension: int, others: Sequence[Mapping[str, OtherVector]] | None = None
) -> Iterator[slice]:
    """The parts of ``chunks`` that go into one request each: at most REQUEST_POINTS points and REQUEST_BYTES as JSON.

    A chunk longer than that has a request of its own.

    Args:
        chunks: The chunks.
        dimension: Of their dense vectors.
        others: The vectors of each beside it.
    """
    sizes = []
    for number, chunk in enumerate(chunks):
        numbers = dimension + (sum(map(_numbers_of, others[number].values())) if others else 0)
        sizes.append(_bytes_of(chunk, numbers))
    yield from _parts(sizes)


def vector_requests(vectors: Mapping[str, NamedVectors]) -> Iterator[dict[str, NamedVectors]]:
    """The parts of vectors by id that go into one request each: as many as :func:`requests` puts into one."""
    ids = list(vectors)
    for part in _parts([_BYTES_OF_THE_LEDGER + _json_bytes(vectors[one]) for one in ids]):
        yield {one: vectors[one] for one in ids[part]}


def _json_bytes(vectors: NamedVectors) -> int:
    return sum(_numbers_of(one) for one in vectors.values()) * _BYTES_OF_A_COMPONENT


def _parts(sizes: Sequence[int]) -> Iterator[slice]:
    """Parts of at most REQUEST_POINTS points and, but for a single one, REQUEST_BYTES."""
    start, size = 0, 0
    for number, more in enumerate(sizes):
        if number > start and (number - start >= REQUEST_POINTS or size + more > REQUEST_BYTES):
            yield slice(start, number)
            start, size = number, 0
        size += more
    if sizes:
        yield slice(start, len(sizes))


def send_or_bisect(chunks: Sequence[Chunk], part: slice, send: Callable[[slice], None]) -> list[Rejected]:
    """Send a part of ``chunks``; if it is refused for its content, send its halves, down to the chunk at fault."""
    try:
        send(part)
    except RefusedContentError as error:
        if part.stop - part.start == 1:
            chunk = chunks[part.start]
            return [Rejected(str(error), "", chunk.source_id, chunk.index, source_name=chunk.source_name)]
        middle = (part.start + part.stop) // 2
        return [
            *send_or_bisect(chunks, slice(part.start, middle), send),
            *send_or_bisect(chunks, slice(middle, part.stop), send),
        ]
    return []


class Refusals:
    """Counts the refusals since the last request that was stored, of all threads."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._reason = ""
        self._in_a_row = 0

    def counted(self, send: Callable[[slice], None]) -> Callable[[slice], None]:
        """Wrap a function that sends a part of chunks.

        The wrapped one raises TargetError once MOST_REFUSALS in a row had one reason: a quota, a limit of the server.
        """

        def send_counted(part: slice) -> None:
            try:
                send(part)
            except RefusedContentError as error:
                self._add(str(error))
                raise
            with self._lock:
                self._in_a_row = 0

        return send_counted

    def _add(self, reason: str) -> None:
        with self._lock:
            self._in_a_row = self._in_a_row + 1 if reason == self._reason else 1
            self._reason = reason
            if self._in_a_row >= MOST_REFUSALS:
                message = (
                    f"{reason}. {self._in_a_row} requests in a row were refused for that reason, so it is not about "
                    "single records. Change what the server allows, and run the same command again to go on"
                )
                raise TargetError(message)


def _numbers_of(vector: OtherVector) -> int:
    """Numbers of a vector; an index is shorter than a component."""
    return bytes_of(vector) // _BYTES_OF_A_NUMBER


def _bytes_of(chunk: Chunk, numbers: int) -> int:
    """An upper bound: twice the UTF-8 bytes of a text cover what JSON escapes in it."""
    return (
        _BYTES_OF_THE_LEDGER + numbers * _BYTES_OF_A_COMPONENT + 2 * _utf8(chunk.text) + 2 * _utf8(str(chunk.metadata))
    )


def _utf8(text: str) -> int:
    return len(text.encode()) if not text.isascii() else len(text)

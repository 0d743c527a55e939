"""Decode bytes: by a byte order mark, else in the chosen encoding; never by a guess."""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

from charset_normalizer import from_bytes

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterator

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_WIDE = ["utf_16", "utf_16_be", "utf_16_le", "utf_32", "utf_32_be", "utf_32_le"]
_BLOCK_BYTES = 2**16
_SAMPLE_BYTES = 2**16


class Line(NamedTuple):
    """A line of a stream.

    Attributes:
        number: From 1.
        content: With its line break; None if it is too long.
    """

    number: int
    content: bytes | None


def split_mark(content: bytes, *, chosen: str | None) -> tuple[str, bytes]:
    """Return the encoding, by the byte order mark or else as chosen, and the content after the mark."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, content.removeprefix(mark)
    return chosen or "utf-8", content


def decode(content: bytes, encoding: str, path: str, *, first_line: int | None) -> str:
    """Decode a text that begins at this line of the file; None if the file is not read by lines.

    Raises:
        RecordError: it is not in this encoding; the message names the line and a likely encoding.
    """
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        line = "" if first_line is None else f":{first_line + content.count(10, 0, error.start)}"
        name = "UTF-8" if codecs.lookup(encoding).name == "utf-8" else encoding
        problem = f"{path}{line}: not {name} (byte 0x{content[error.start]:02x})"
        raise RecordError(f"{problem}. {_remedy(content, error.start)}") from error


def line_encoding(chosen: str | None) -> str:
    """The encoding of the lines of :func:`read_lines` if there is no byte order mark."""
    return "utf-8" if chosen is None or "\n".encode(chosen) != b"\n" else chosen


def as_string(content: bytes) -> str:
    """Convert any bytes to a string without loss: invalid UTF-8 becomes lone surrogates."""
    return content.decode("utf-8", "surrogateescape")


def as_bytes(string: str) -> bytes:
    """Convert a string of :func:`as_string` back to its bytes."""
    return string.encode("utf-8", "surrogateescape")


def keep(content: bytes, encoding: str) -> str:
    """Convert bytes to a string for a dead letter: their text, or if invalid, each byte beyond ASCII as a surrogate."""
    try:
        return content.decode(encoding)
    except UnicodeDecodeError:
        # Not as_string: bytes that happen to be UTF-8 would look like text.
        return content.decode("ascii", "surrogateescape")


def take_again(string: str, *, chosen: str | None) -> tuple[bytes, str]:
    """Convert a string of :func:`keep` back to bytes, with their encoding: the one chosen now if they were invalid."""
    try:
        return string.encode(), "utf-8"
    except UnicodeEncodeError:
        return as_bytes(string), line_encoding(chosen)


def _remedy(content: bytes, position: int) -> str:
    start = max(0, position - _SAMPLE_BYTES // 2)
    guess = guess_encoding(content[start : start + _SAMPLE_BYTES])
    if guess is None:
        return "Say with --encoding what it is in, or leave it out if it is no text"
    return f"It looks like {guess}: if it is, give --encoding {guess}"


def guess_encoding(sample: bytes) -> str | None:
    """A likely encoding of a text, for a message; None if none fits."""
    matches = from_bytes(sample, cp_exclusion=_WIDE)  # wide encodings fit most bytes and would win
    best = matches.best()
    if best is None:
        return None
    # Western European text is valid in other code pages as well, and a short sample cannot tell them apart.
    western = [match for match in matches if match.encoding == "cp1252" and match.chaos <= best.chaos]
    return "cp1252" if western else best.encoding


def read_lines(stream: BinaryIO, *, chosen: str | None, limit: int) -> tuple[str, Iterator[Line]]:
    """Return the encoding of a stream and its lines, still encoded; at most ``limit`` bytes of a line are held.

    A stream whose line break is not the single byte 10, as in UTF-16, is converted to UTF-8.

    Raises:
        UnicodeDecodeError: raised by the iterator: a stream to convert is not in its encoding.
    """
    first = stream.readline(limit + 1)
    encoding, rest = split_mark(first, chosen=chosen)
    if line_encoding(encoding) != encoding:
        stream = io.BufferedReader(_AsUtf8(rest, stream, encoding))
        encoding, rest = "utf-8", stream.readline(limit + 1)
    return encoding, _bounded(rest, stream, limit)


def read_whole(stream: BinaryIO, path: str, *, limit: int) -> bytes:
    """Read a file that is one record.

    Raises:
        RecordError: it is longer than ``limit`` bytes.
    """
    content = stream.read(limit + 1)
    if len(content) > limit:
        raise RecordError(too_long(f"{path}: the file", limit))
    return content


def too_long(what: str, limit: int) -> str:
    """The reason for rejecting a line, row or file that is longer than may be read."""
    return f"{what} is longer than {limit:,} bytes. Split it into several records"


def _bounded(line: bytes, stream: BinaryIO | io.BufferedReader, limit: int) -> Iterator[Line]:
    number = 0
    while line:
        number += 1
        if len(line) > limit:
            while line and not line.endswith(b"\n"):
                line = stream.readline(_BLOCK_BYTES)
            yield Line(number, None)
        else:
            yield Line(number, line)
        line = stream.readline(limit + 1)


class _AsUtf8(io.RawIOBase):
    """Converts a stream from another encoding to UTF-8, a block at a time.

    A lone surrogate becomes invalid UTF-8, so that its line is rejected.
    """

    def __init__(self, start: bytes, stream: BinaryIO, encoding: str) -> None:
        self._decoder = codecs.getincrementaldecoder(encoding)("surrogatepass")
        self._stream = stream
        self._ready = self._convert(start)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        while not self._ready:
            block = self._stream.read(_BLOCK_BYTES)
            self._ready = self._convert(block, final=not block)
            if not block:
                break
        count = min(len(buffer), len(self._ready))
        buffer[:count] = self._ready[:count]
        self._ready = self._ready[count:]
        return count

    def _convert(self, block: bytes, *, final: bool = False) -> bytes:
        return self._decoder.decode(block, final).encode("utf-8", "surrogatepass")

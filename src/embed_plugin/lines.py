"""Read files by lines: the one place that decides where a line ends and what a byte order mark means."""

from __future__ import annotations

import codecs
import io
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, cast

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Callable

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark is a prefix of this one
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
_LONGEST_MARK = 4
_BLOCK_BYTES = 2**16


class Line(NamedTuple):
    """A line of a stream.

    Attributes:
        number: From 1.
        content: With its line break; None if it is too long.
    """

    number: int
    content: bytes | None


class TextLine(NamedTuple):
    """A decoded line.

    Attributes:
        place: File and line, for messages.
        text: Without its line break.
    """

    place: str
    text: str


def split_byte_order_mark(content: bytes) -> tuple[str | None, bytes]:
    """Return the encoding that a byte order mark names, None without one, and the content after the mark."""
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding, content.removeprefix(mark)
    return None, content


def line_encoding(encoding: str) -> str:
    """The encoding of the lines of a file in ``encoding``: the same, or UTF-8 if its line break is not the byte 10."""
    return encoding if "\n".encode(encoding) == b"\n" else "utf-8"


class Lines(Iterator[Line]):
    r"""The lines of a stream, still encoded; at most ``limit`` bytes of a line are held.

    A line ends with ``\n`` or ``\r\n`` and with nothing else that Unicode calls a line break, so that JSON and numbers
    of lines are the same everywhere. Only in a file without any ``\n`` in its first 64 KiB it ends with ``\r``, as on
    old Macs. A stream whose line break is not the single byte 10, as in UTF-16, is converted to UTF-8. A UTF-8 mark is
    removed from every line, for files are joined with ``cat``.

    Attributes:
        encoding: The encoding of the lines, by Python's name.

    Raises:
        UnicodeDecodeError: raised by the iterator: a stream to convert is not in its encoding.
    """

    def __init__(
        self, stream: BinaryIO, *, encoding: str = "utf-8", limit: int = sys.maxsize - 1, most_bytes: int = sys.maxsize
    ) -> None:
        """Take a stream from its start.

        Args:
            stream: The stream.
            encoding: Its encoding if it has no byte order mark, by Python's name.
            limit: Bytes of the longest line.
            most_bytes: Bytes of the stream to read.
        """
        # read1 does not wait for a whole block of a pipe.
        self._read: Callable[[int], bytes] = getattr(stream, "read1", stream.read)
        self._left = most_bytes
        self._limit = limit
        self._number = 0
        self._ready = bytearray()
        self._decoder: codecs.IncrementalDecoder | None = None
        self._line_ends: io.IncrementalNewlineDecoder | None = None
        while len(self._ready) < _LONGEST_MARK and self._fill():
            pass
        found, start = split_byte_order_mark(bytes(self._ready))
        self.encoding = line_encoding(found or encoding)
        if self.encoding != (found or encoding):
            self._decoder = codecs.getincrementaldecoder(found or encoding)("surrogatepass")
            start = self._as_utf8(start)
        self._ready = bytearray(start)
        self._mark = codecs.BOM_UTF8 if self.encoding == "utf-8" else b""
        if self._has_old_mac_line_ends():
            self._line_ends = io.IncrementalNewlineDecoder(None, translate=True)
            self._ready = bytearray(self._with_new_lines(bytes(self._ready)))

    def __next__(self) -> Line:
        """The next line."""
        content = self._take(self._limit + 1)
        if not content:
            raise StopIteration
        self._number += 1
        if len(content) > self._limit:
            while content and not content.endswith(b"\n"):
                content = self._take(_BLOCK_BYTES)
            return Line(self._number, None)
        return Line(self._number, content.removeprefix(self._mark))

    def ahead(self) -> bytes:
        """Return up to 64 KiB of what comes next, which stays to be read."""
        while len(self._ready) < _BLOCK_BYTES and self._fill():
            pass
        return bytes(self._ready[:_BLOCK_BYTES])

    def _take(self, most: int) -> bytes:
        """Take a line, or ``most`` bytes of it."""
        end = 0
        while (found := self._ready.find(b"\n", end, most)) < 0:
            end = min(len(self._ready), most)
            if end == most or not self._fill():
                break
        else:
            end = found + 1
        content = bytes(self._ready[:end])
        del self._ready[:end]
        return content

    def _fill(self) -> bool:
        """Read a block; False at the end."""
        block = self._read(min(_BLOCK_BYTES, self._left))
        self._left = self._left - len(block) if block else 0  # a terminal would be asked again after its end
        content = self._as_utf8(block, final=not block) if self._decoder else block
        if self._line_ends:
            content = self._with_new_lines(content, final=not block)
        self._ready += content
        return bool(block or content)

    def _has_old_mac_line_ends(self) -> bool:
        searched = 0
        while self._ready.find(b"\r", searched) < 0:
            if self._ready.find(b"\n", searched) >= 0:
                return False
            searched = len(self._ready)
            if searched > self._limit or not self._fill():
                return False
        self.ahead()
        if self._ready.endswith(b"\r"):
            self._fill()
        return b"\n" not in self._ready

    def _as_utf8(self, block: bytes, *, final: bool = False) -> bytes:
        """Convert a block; a lone surrogate becomes invalid UTF-8, so that its line is rejected."""
        decoder = cast("codecs.IncrementalDecoder", self._decoder)
        return decoder.decode(block, final).encode("utf-8", "surrogatepass")

    def _with_new_lines(self, block: bytes, *, final: bool = False) -> bytes:
        line_ends = cast("io.IncrementalNewlineDecoder", self._line_ends)
        return line_ends.decode(block.decode("latin-1"), final).encode("latin-1")


def read_text_lines(stream: BinaryIO, name: str) -> Iterator[TextLine]:
    """Decode the lines of a stream: UTF-8, or what its byte order mark says.

    Raises:
        RecordError: a line is not; the message begins with ``name``.
    """
    number = 0
    try:
        lines = Lines(stream)
        for number, content in lines:
            yield TextLine(f"{name}:{number}", (content or b"").decode(lines.encoding).rstrip("\r\n"))
    except UnicodeDecodeError as error:
        found = f"{name}:{number or 1}: not {error.encoding.upper()} (byte 0x{error.object[error.start]:02x})"
        raise RecordError(f"{found}. Convert the file to UTF-8, with iconv for example") from error

"""Decode bytes: by a byte order mark, else in the chosen encoding; never by a guess."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from charset_normalizer import from_bytes

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.charsets import codec_of, decode_bytes
from embed_plugin.lines import Lines, line_encoding, split_byte_order_mark

if TYPE_CHECKING:
    from collections.abc import Callable

_LIKELY = [
    "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258", "cp437", "cp850",
    "cp874", "cp932", "cp949", "big5", "euc_jp", "gb18030", "iso2022_jp", "koi8_r", "mac_roman", "utf_8",
]  # fmt: skip
"""What text is in: others, such as UTF-16 and IBM's, fit most bytes and would win."""
_WESTERN = frozenset(map(chr, range(128))) | frozenset(
    "ÀÁÂÃÄÅÆÇÈÉÊËÌÍÎÏÑÒÓÔÕÖØÙÚÛÜßàáâãäåæçèéêëìíîïñòóôõöøùúûüÿŒœ€£©®™°§·•«»¿¡ªº…“”„‘’‚–—\xa0"
)
_FOREIGN = re.compile("[^\\x00-\\x7f]{3}|\\0")
"""What text in cp1252 hardly has: three such characters in a row."""
_SAMPLE_BYTES = 2**16

NO_GUESS = "Say with --encoding what it is in, or leave it out if it is no text"
"""The advice where no encoding is likely."""


class Encoding:
    """The encoding of a file; what it may be instead is guessed once, from the file, for all messages.

    Attributes:
        name: As it was chosen, for messages.
        codec: Python's name.
    """

    def __init__(self, name: str = "UTF-8", *, ahead: Callable[[], bytes] | None = None) -> None:
        """Take a name that :func:`codec_of` knows, and a function that returns what follows in the file.

        Without the function nothing is guessed.
        """
        self.codec = codec_of(name) or name
        self.name = "UTF-8" if self.codec == "utf-8" else name
        self._ahead = ahead
        self._remedy: str | None = None

    def remedy(self, content: bytes, position: int) -> str:
        """Return the advice for a file that is not in this encoding: the same for each of its lines."""
        if self._remedy is None:
            self._remedy = NO_GUESS
            guess = None
            if self._ahead is not None:
                guess = guess_encoding(_sample(content, position) + _whole_lines(self._ahead()))
            if guess is not None:
                self._remedy = f"It looks like {guess}: if it is, give --encoding {guess}"
        return self._remedy


def split_mark(content: bytes, *, chosen: str | None) -> tuple[Encoding, bytes]:
    """Return the encoding, by the byte order mark or else as chosen, and the content after the mark."""
    found, rest = split_byte_order_mark(content)
    return Encoding(found or chosen or "UTF-8", ahead=bytes), rest


def read_lines(stream: BinaryIO, *, chosen: str | None, limit: int) -> tuple[Encoding, Lines]:
    """Return the encoding of the lines of a stream and the lines, still encoded; see :class:`Lines`."""
    lines = Lines(stream, encoding=_codec(chosen), limit=limit)
    is_chosen = chosen is not None and lines.encoding == codec_of(chosen)
    return Encoding(chosen if chosen and is_chosen else lines.encoding, ahead=lines.ahead), lines


def decode(content: bytes, encoding: Encoding, path: str, *, first_line: int | None) -> str:
    """Decode a text that begins at this line of the file; None if the file is not read by lines.

    Raises:
        RecordError: it is not in this encoding; the message names the line and a likely encoding.
    """
    try:
        return decode_bytes(content, encoding.codec)
    except UnicodeDecodeError as error:
        line = "" if first_line is None else f":{first_line + _line_breaks(content[: error.start])}"
        problem = f"{path}{line}: not {encoding.name} (byte 0x{content[error.start]:02x})"
        raise RecordError(f"{problem}. {encoding.remedy(content, error.start)}") from error


def as_string(content: bytes) -> str:
    """Convert any bytes to a string without loss: invalid UTF-8 becomes lone surrogates."""
    return content.decode("utf-8", "surrogateescape")


def as_bytes(string: str) -> bytes:
    """Convert a string of :func:`as_string` back to its bytes."""
    return string.encode("utf-8", "surrogateescape")


def keep(content: bytes, encoding: Encoding) -> str:
    """Convert bytes to a string for a dead letter: their text, or if invalid, each byte beyond ASCII as a surrogate."""
    try:
        return decode_bytes(content, encoding.codec)
    except UnicodeDecodeError:
        # Not as_string: bytes that happen to be UTF-8 would look like text.
        return content.decode("ascii", "surrogateescape")


def take_again(string: str, *, chosen: str | None) -> tuple[bytes, Encoding]:
    """Convert a string of :func:`keep` back to bytes, with their encoding: the one chosen now if they were invalid."""
    try:
        return string.encode(), Encoding()
    except UnicodeEncodeError:
        codec = _codec(chosen)
        return as_bytes(string), Encoding(chosen if chosen and line_encoding(codec) == codec else "UTF-8")


def guess_encoding(sample: bytes) -> str | None:
    """A likely encoding of a text, for a message; None if none fits."""
    # Lines of ASCII fit any encoding; without them the guess is made from more of the others.
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    if _is_western(b"\n".join(lines)):
        return "cp1252"
    matches = from_bytes(b"\n".join(lines), cp_isolation=_LIKELY)
    best = matches.best()
    if best is None:
        return None
    # Western European text is valid in other code pages as well.
    western = [match for match in matches if match.encoding == "cp1252" and match.chaos <= best.chaos]
    return "cp1252" if western else best.encoding


def _is_western(sample: bytes) -> bool:
    """Return whether it is ASCII with some accents and quotes in cp1252, of which a guess may need more."""
    text = decode_bytes(sample, "cp1252")
    return set(text) <= _WESTERN and not _FOREIGN.search(text)


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


def _codec(chosen: str | None) -> str:
    return (codec_of(chosen) if chosen else None) or "utf-8"


def _line_breaks(content: bytes) -> int:
    return content.count(b"\n") or content.count(b"\r")


def _whole_lines(content: bytes) -> bytes:
    return content if len(content) < _SAMPLE_BYTES else content[: content.rfind(b"\n") + 1]


def _sample(content: bytes, position: int) -> bytes:
    """Whole lines around a byte, 64 KiB of them at most."""
    start, end = max(0, position - _SAMPLE_BYTES // 2), position + _SAMPLE_BYTES // 2
    before = content[start:position]
    if start and b"\n" in before:
        start += before.index(b"\n") + 1
    if end < len(content):
        end = max(content.rfind(b"\n", position, end), position + 1)
    return content[start:end]

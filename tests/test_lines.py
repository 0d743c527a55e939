from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import RecordError
from embed_plugin.lines import Lines, read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterable


class Pipe(io.RawIOBase):
    """A stream that gives what it holds in pieces."""

    def __init__(self, pieces: Iterable[bytes]) -> None:
        self._pieces = [piece for piece in pieces if piece]

    def read1(self, size: int) -> bytes:
        piece = self._pieces.pop(0) if self._pieces else b""
        if len(piece) > size:
            self._pieces.insert(0, piece[size:])
        return piece[:size]


def texts(content: bytes) -> list[str]:
    return [line.text for line in read_text_lines(io.BytesIO(content), "a")]


@pytest.mark.parametrize("mark", [b"", codecs.BOM_UTF8])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_lines_end_as_on_unix_windows_and_old_macs_and_nowhere_else(mark: bytes, end: str) -> None:
    lines = ["one", "", "two \u2028 \x85 \x0b \x0c \x1c three", "fo\tur"]
    assert texts(mark + end.join(lines).encode()) == lines
    assert texts(mark + (end.join(lines) + end).encode()) == lines


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32"])
def test_a_byte_order_mark_names_the_encoding(encoding: str) -> None:
    assert texts("one\r\n\nzwei \u0a0d\u0d0a\n".encode(encoding)) == ["one", "", "zwei \u0a0d\u0d0a"]


def test_marks_of_files_that_were_joined_are_removed() -> None:
    assert texts(b"\xef\xbb\xbfone\n\xef\xbb\xbf\n\xef\xbb\xbftwo") == ["one", "", "two"]


def test_a_carriage_return_within_lines_ends_none() -> None:
    assert texts(b"10 %\r20 %\r100 %\nnext\r\n") == ["10 %\r20 %\r100 %", "next"]


def test_what_is_not_utf_8_is_named_by_its_line() -> None:
    with pytest.raises(RecordError, match=r"^a:2: not UTF-8 \(byte 0xe9\)\. Convert"):
        texts(b"one\ncaf\xe9\n")
    with pytest.raises(RecordError, match=r"^a:1: not UTF-16-LE"):
        texts(codecs.BOM_UTF16_LE + b"a\0\n\0\0\xd8x\0\n\0"[:7])


@given(st.lists(st.binary(max_size=9)), st.sampled_from([b"", b"\n", b"\r\n", b"\r"]))
def test_lines_do_not_depend_on_the_pieces_in_which_they_come(pieces: list[bytes], end: bytes) -> None:
    content = end.join(pieces)
    whole = list(Lines(io.BytesIO(content), encoding="cp1252"))
    piece_by_piece = Lines(Pipe(content[i : i + 1] for i in range(len(content))), encoding="cp1252")  # type: ignore[arg-type]
    assert list(piece_by_piece) == whole
    assert [line.number for line in whole] == list(range(1, len(whole) + 1))


def test_what_lies_ahead_is_still_read() -> None:
    lines = Lines(io.BytesIO(b"one\ntwo\nthree\n"), most_bytes=8)
    assert next(lines) == (1, b"one\n")
    assert lines.ahead() == b"two\n"
    assert list(lines) == [(2, b"two\n")]

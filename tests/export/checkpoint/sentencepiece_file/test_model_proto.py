"""SentencePiece files are read as protobuf writes them, and damaged ones are refused by name."""

from __future__ import annotations

import struct
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from embed_plugin import SourceError
from embed_plugin.export.checkpoint.sentencepiece_file.model_proto import (
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    Piece,
    read_sentencepiece,
)

FILE = Path(__file__).parents[2] / "references" / "sentencepiece" / "fairseq.model"


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, value: int | bytes) -> bytes:
    """A field of a message: an integer, or bytes of any length."""
    if isinstance(value, int):
        return varint(number << 3) + varint(value)
    return varint(number << 3 | 2) + varint(len(value)) + value


def piece(text: str, score: float, kind: int | None = None) -> bytes:
    content = field(1, text.encode()) + varint(2 << 3 | 5) + struct.pack("<f", score)
    return field(1, content + (b"" if kind is None else field(3, kind)))


def test_a_trained_file_has_its_pieces_and_settings() -> None:
    model = read_sentencepiece(FILE)
    assert model.pieces[:3] == (Piece("<unk>", 0.0, UNKNOWN), Piece("<s>", 0.0, CONTROL), Piece("</s>", 0.0, CONTROL))
    assert all(one.kind == NORMAL and one.score < 0 for one in model.pieces[3:])
    assert (model.model_type, model.byte_fallback, len(model.charsmap) > 100) == (UNIGRAM, False, True)


def test_fields_in_any_order_and_unknown_ones_are_read(tmp_path: Path) -> None:
    skipped = field(9, 2**40) + field(5, b"self test") + varint(7 << 3 | 1) + bytes(8)
    content = field(3, field(2, b"rules")) + skipped + piece("\u2581a", -1.5) + field(2, field(35, 1) + field(3, 2))
    (tmp_path / "a.model").write_bytes(content + piece("b", 0.25, 4))
    model = read_sentencepiece(tmp_path / "a.model")
    assert model.pieces == (Piece("\u2581a", -1.5, NORMAL), Piece("b", 0.25, 4))
    assert (model.model_type, model.byte_fallback, model.charsmap) == (2, True, b"rules")


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "it has no pieces"),
        (b"version https://git-lfs.github.com/spec/v1\n", "is no readable SentencePiece file"),
        (piece("a", 0)[:-1], "ends within a field"),
        (b"\x0a" + b"\xff" * 12, "a number without an end at byte 1"),
        (field(1, field(1, b"\xff")), "can't decode byte 0xff"),
        (field(1, 5), "a number where text is expected"),
        (field(1, field(3, b"a")), "text where a number is expected"),
        (field(1, field(2, b"abc")), "a score of 3 bytes"),
        (varint(1 << 3 | 3), "a field of the unknown type 3"),
    ],
)
def test_what_is_none_is_refused_by_name(tmp_path: Path, content: bytes, found: str) -> None:
    path = tmp_path / "spiece.model"
    path.write_bytes(content)
    with pytest.raises(SourceError) as refused:
        read_sentencepiece(path)
    assert str(refused.value).startswith(str(path))
    assert found in str(refused.value)


@settings(max_examples=200)
@given(cut=st.integers(0, 3000), put=st.binary(max_size=8))
def test_damage_is_read_or_refused_and_nothing_else(
    tmp_path_factory: pytest.TempPathFactory, cut: int, put: bytes
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.model"
    whole = FILE.read_bytes()
    path.write_bytes(whole[:cut] + put + whole[cut + len(put) :])
    with suppress(SourceError):
        assert read_sentencepiece(path).pieces

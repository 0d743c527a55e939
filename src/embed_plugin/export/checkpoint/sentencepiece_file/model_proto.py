"""Read a SentencePiece file: a message in protobuf's wire format, of which only the fields that are needed are decoded.

A message is a sequence of fields, each a tag and a value. The tag, a varint, has the field's number and how its value
is written: as a varint, in 4 or 8 bytes, or as a length and that many bytes
(https://protobuf.dev/programming-guides/encoding).
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

NORMAL, UNKNOWN, CONTROL, USER_DEFINED = 1, 2, 3, 4
"""Types of pieces, of those that matter here."""

UNIGRAM = 1
"""The type of model that takes the most probable pieces."""

_VARINT, _EIGHT_BYTES, _LENGTH, _FOUR_BYTES = 0, 1, 2, 5
_MOST_VARINT_BYTES = 10

_PIECES, _TRAINER, _NORMALIZER = 1, 2, 3
_TEXT, _SCORE, _TYPE = 1, 2, 3
_MODEL_TYPE, _BYTE_FALLBACK = 3, 35
_CHARSMAP = 2


@dataclass(frozen=True)
class Piece:
    """An entry of the vocabulary.

    Attributes:
        text: The piece; a space is written as U+2581.
        score: Logarithm of its probability.
        kind: Its type; :data:`NORMAL` or another.
    """

    text: str
    score: float
    kind: int


@dataclass(frozen=True)
class SentencePieceModel:
    """The content of a SentencePiece file.

    Attributes:
        pieces: The vocabulary, in the order of its ids.
        model_type: :data:`UNIGRAM` or another.
        byte_fallback: A character outside the vocabulary becomes a piece for each of its bytes.
        charsmap: The normalisation, compiled; empty for none.
    """

    pieces: tuple[Piece, ...]
    model_type: int
    byte_fallback: bool
    charsmap: bytes


def read_sentencepiece(path: Path) -> SentencePieceModel:
    """Read a SentencePiece file.

    Raises:
        SourceError: it cannot be read, or is something else.
    """
    try:
        model = _model(path.read_bytes())
    except (OSError, ValueError) as error:  # of which UnicodeDecodeError is one
        raise SourceError(f"{path} is no readable SentencePiece file ({error}): fetch it again") from error
    if not model.pieces:
        raise SourceError(f"{path} is no SentencePiece file (it has no pieces): fetch it again")
    return model


def _model(content: bytes) -> SentencePieceModel:
    pieces: list[Piece] = []
    trainer: dict[int, int | bytes] = {}
    normalizer: dict[int, int | bytes] = {}
    for number, value in _fields(content):
        if number == _PIECES:
            pieces.append(_piece(_bytes(value)))
        elif number == _TRAINER:
            trainer |= dict(_fields(_bytes(value)))
        elif number == _NORMALIZER:
            normalizer |= dict(_fields(_bytes(value)))
    return SentencePieceModel(
        pieces=tuple(pieces),
        model_type=_whole(trainer.get(_MODEL_TYPE, UNIGRAM)),
        byte_fallback=bool(_whole(trainer.get(_BYTE_FALLBACK, 0))),
        charsmap=_bytes(normalizer.get(_CHARSMAP, b"")),
    )


def _piece(content: bytes) -> Piece:
    fields = dict(_fields(content))
    score = _bytes(fields.get(_SCORE, bytes(4)))
    if len(score) != struct.calcsize("<f"):
        raise ValueError(f"a score of {len(score)} bytes")
    text, kind = _bytes(fields.get(_TEXT, b"")).decode(), _whole(fields.get(_TYPE, NORMAL))
    return Piece(text, float(struct.unpack("<f", score)[0]), kind)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Each field's number and value: an integer for a varint, the bytes for any other."""
    at = 0
    while at < len(message):
        tag, at = _varint(message, at)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, at = _varint(message, at)
            yield number, value
            continue
        if kind == _LENGTH:
            length, at = _varint(message, at)
        elif kind in {_FOUR_BYTES, _EIGHT_BYTES}:
            length = 4 if kind == _FOUR_BYTES else 8
        else:
            raise ValueError(f"a field of the unknown type {kind} at byte {at}")
        if at + length > len(message):
            raise ValueError("it ends within a field")
        yield number, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    """An integer in groups of seven bits, the lowest first, and the position behind it."""
    value = 0
    for index, byte in enumerate(message[at : at + _MOST_VARINT_BYTES]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:  # noqa: PLR2004 - the highest bit says that another byte follows
            return value, at + index + 1
    raise ValueError(f"a number without an end at byte {at}")


def _bytes(value: int | bytes) -> bytes:
    if isinstance(value, int):
        raise ValueError("a number where text is expected")  # noqa: TRY004 - of the file, as every fault in it
    return value


def _whole(value: int | bytes) -> int:
    if isinstance(value, bytes):
        raise ValueError("text where a number is expected")  # noqa: TRY004 - as above
    return value

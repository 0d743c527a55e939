"""Reads the content of responses strictly: anything that is not what was asked for is a ValueError or a TypeError."""

from __future__ import annotations

import json
import reprlib
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from embed_plugin.wire import FLOAT_TYPE, FLOATS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import httpx
    import numpy.typing as npt

    from embed_plugin.types import Scores, Vectors

MOST_DIMENSIONS = 65_536
"""Largest dimension believed, which is Qdrant's own limit: an array for vectors is allocated by it."""

MOST_TOKENS = 2**31
"""Above any token count or token limit."""

_LARGEST = float(np.finfo(np.float32).max)
_UNIT_TOLERANCE = 1e-3
_SHORTEST, _LONGEST = 1e-6, 1e6
"""Lengths between which a vector is one of a model that does not normalise."""


def json_content(response: httpx.Response) -> dict[str, Any]:
    """Parse a JSON object; a repeated key and numbers that JSON does not have are refused.

    Raises:
        ValueError: the content is of another type, broken, nested too deeply, or no object.
    """
    _refuse_other_type(response, "JSON", lambda media_type: media_type.endswith("json"))
    return parsed_json(response.content)


def parsed_json(content: bytes) -> dict[str, Any]:
    """Parse a JSON object, whatever its media type: :func:`json_content`.

    Raises:
        ValueError: the content is broken, nested too deeply, or no object.
    """
    try:
        parsed = json.loads(content, object_pairs_hook=_object_of_pairs, parse_constant=_refuse_constant)
    except RecursionError:
        raise ValueError("JSON that is nested too deeply") from None
    if not isinstance(parsed, dict):
        raise TypeError(f"JSON that is a {type(parsed).__name__}, expected an object")
    return parsed


def whole_number(content: dict[str, Any], key: str, *, most: int, least: int = 1) -> int:
    """Return a whole number of a JSON object.

    Raises:
        KeyError: it is not there.
        ValueError: it is no whole number from ``least`` to ``most``.
    """
    value = content[key]
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"{key} is {shown(value)}, expected a whole number from {least} to {most}")
    return value


def text(content: dict[str, Any], key: str) -> str:
    """Return a text of a JSON object, which may be shown.

    Raises:
        KeyError: it is not there.
        TypeError: it is no text, empty, or holds characters that a terminal would act on.
    """
    value = content[key]
    if not isinstance(value, str) or not value or not value.isprintable():
        raise TypeError(f"{key} is {shown(value)}, expected a text")
    return value


def token_counts(content: dict[str, Any], count: int) -> list[int]:
    """Return the token counts of ``count`` texts.

    Raises:
        KeyError: there are none.
        ValueError: they are not that many whole numbers.
    """
    tokens = content["tokens"]
    if not isinstance(tokens, list) or len(tokens) != count:
        raise ValueError(f"tokens is {shown(tokens)}, expected {count} counts")
    return [whole_number({"a token count": each}, "a token count", least=0, most=MOST_TOKENS) for each in tokens]


def ranked_scores(content: dict[str, Any], count: int) -> Scores:
    """Return the scores of ``count`` texts, in the order of the texts.

    Raises:
        KeyError: there are none.
        TypeError: a result is no object.
        ValueError: they are not one number of float32 for each text.
    """
    results = content["results"]
    if not isinstance(results, list) or len(results) != count:
        raise ValueError(f"results is {shown(results)}, expected {count} scores")
    scores = np.full(count, np.nan, dtype=np.float32)
    for each in results:
        index = whole_number(each, "index", least=0, most=count - 1)
        score = each["relevance_score"]
        if type(score) not in (int, float) or not abs(score) <= _LARGEST:  # NaN is not below
            raise ValueError(f"relevance_score is {shown(score)}, expected a number of float32")
        scores[index] = score
    if np.isnan(scores).any():
        raise ValueError(f"results with an index twice, expected one score for each of {count} texts")
    return scores


def float_content(response: httpx.Response, count: int, dimension: int) -> Vectors:
    """Read unit vectors of float32 bytes, ``(count, dimension)``.

    Raises:
        ValueError: the content is of another type or size, or holds what is no unit vector.
    """
    _refuse_other_type(response, FLOATS, lambda media_type: media_type == FLOATS)
    expected = count * dimension * np.dtype(FLOAT_TYPE).itemsize
    if len(response.content) != expected:
        raise ValueError(f"{len(response.content)} bytes, expected {expected}: {count} vectors of {dimension} numbers")
    vectors = np.frombuffer(response.content, dtype=FLOAT_TYPE).reshape(count, dimension).astype(np.float32)
    if not np.all(np.abs(_norms(vectors) - 1) < _UNIT_TOLERANCE):  # NaN is not below
        raise ValueError("vectors that are not of unit length")
    return vectors


def normalised(rows: Sequence[npt.NDArray[np.floating]], dimension: int) -> Vectors:
    """Scale vectors of a server that may not have done it to unit length, float32 ``(n, dimension)``.

    Raises:
        ValueError: a vector has another dimension, is zero, not finite, or of a length that no model gives.
    """
    for row in rows:
        if row.shape != (dimension,):
            hint = f"set dimension={row.size}, or shorten=True where the model can shorten"
            raise ValueError(f"vectors of the shape {row.shape}, expected {dimension} numbers: {hint}")
    vectors = np.array(rows, dtype=np.float64).reshape(len(rows), dimension)
    norms = _norms(vectors)
    if not np.all((norms > _SHORTEST) & (norms < _LONGEST)):
        raise ValueError("vectors that are zero, not finite, or far too large or small")
    return (vectors / norms[:, np.newaxis]).astype(np.float32)


def numbers(row: object) -> npt.NDArray[np.float64]:
    """Convert a list of JSON numbers to an array.

    Raises:
        TypeError: it is no list, or holds anything but numbers.
    """
    if not isinstance(row, list) or not all(type(number) in (int, float) for number in row):
        raise TypeError(f"a vector is {shown(row)}, expected a list of numbers")
    try:
        return np.array(row, dtype=np.float64)
    except OverflowError:
        raise ValueError("a vector with a number of hundreds of digits") from None


def shown(value: object) -> str:
    """Return a value for a message: its start, on one line, without characters that a terminal would act on."""
    return printable(reprlib.repr(value))


def printable(said: str) -> str:
    """Return a server's words on one line, without characters that a terminal would act on."""
    return "".join(character for character in " ".join(said.split()) if character.isprintable())


def _norms(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.float64]:
    wide = vectors.astype(np.float64)
    norms: npt.NDArray[np.float64] = np.sqrt(np.einsum("ij,ij->i", wide, wide))
    return norms


def _refuse_other_type(response: httpx.Response, expected: str, is_expected: Callable[[str], bool]) -> None:
    media_type = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if media_type and not is_expected(media_type):  # small servers leave it out
        raise ValueError(f"content of the type {shown(media_type)}, expected {expected}")


def _object_of_pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    content = dict(pairs)
    if len(content) < len(pairs):
        raise ValueError("JSON in which a key is repeated")
    return content


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"JSON with {name}, which is no number of JSON")

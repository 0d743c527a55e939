"""Check lists of texts and single texts; shared by the encoder, the client of a service, and the test double."""

from __future__ import annotations

from collections.abc import ItemsView, Mapping
from typing import TYPE_CHECKING, TypeVar

from embed_plugin.errors import InvalidInputError, InvalidTextError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

Texts = TypeVar("Texts", bound="Iterable[str]")


def list_of_texts(texts: Iterable[str]) -> list[str]:
    """Copy the texts to a list and check each, so that a later change of the caller's list has no effect.

    Raises:
        InvalidInputError: ``texts`` is no list: one str, a table, a dict, a set, an iterator, no collection at all.
        InvalidTextError: a text is not a str, or holds a lone surrogate.
    """
    if not hasattr(iterable_of_texts(texts), "__len__"):
        raise InvalidInputError(
            f"expected a list of texts, found a {type(texts).__name__}: use stream_documents, or pass list(texts)"
        )
    taken = list(texts)
    refuse_bad_texts(taken, 0)
    return taken


def iterable_of_texts(texts: Texts) -> Texts:
    """Return ``texts``, checked to be an iterable that a stream can read texts from.

    Raises:
        InvalidInputError: its items are not texts, have no order, or cannot be iterated over.
    """
    if remedy := _remedy(texts):
        raise InvalidInputError(f"expected a list of texts, found {_name(texts)}: {remedy}")
    return texts


def refuse_bad_texts(texts: Sequence[object], first_index: int) -> None:
    """Refuse items that cannot be tokenised or sent: a tokenizer would take a list or tuple of two for a pair of texts.

    Args:
        texts: The texts.
        first_index: The caller's index of the first one.

    Raises:
        InvalidTextError: a text is not a str, or holds a lone surrogate.
    """
    for index, text in enumerate(texts, first_index):
        if not isinstance(text, str):
            raise InvalidTextError(index, f"is a {type(text).__name__}; expected a str")
        if not text.isascii():
            _refuse_surrogates(text, index)


def _refuse_surrogates(text: str, index: int) -> None:
    try:
        text.encode()
    except UnicodeEncodeError as error:
        found = f"holds a lone surrogate (U+{ord(text[error.start]):04X} at character {error.start})"
        raise InvalidTextError(index, f"{found}: decode it with errors='replace'") from None


def _name(texts: object) -> str:
    shape = getattr(texts, "shape", None)
    of_shape = f" of the shape {shape}" if isinstance(shape, tuple) else ""
    return "None" if texts is None else f"one {type(texts).__name__}{of_shape}"


def _remedy(texts: object) -> str:
    """Return advice on what to pass instead of something that is no list of texts; empty if it may be one."""
    match texts:
        case None:
            return "pass a list, [] where there is no text"
        case str():
            return "pass [text]"
        case bytes() | bytearray() | memoryview():
            return "decode it, and pass [text]"
        case Mapping() | ItemsView():
            return "pass its texts, as in list(texts.values())"
        case set() | frozenset():
            return "a set has no order that vectors could follow; pass a list"
    return _remedy_for_tables(texts)


def _remedy_for_tables(texts: object) -> str:
    """Return the advice for tables and arrays of pandas, polars, pyarrow, numpy or torch, and for non-iterables."""
    shape = getattr(texts, "shape", None)
    has_one_axis = isinstance(shape, tuple) and len(shape) == 1  # a Series may have a row with the name "columns"
    if not has_one_axis and hasattr(texts, "columns"):
        return "pass one column, as in list(table['text'])"
    if isinstance(shape, tuple) and not has_one_axis:
        return "pass one row or column of it, as in list(array[:, 0])"
    if not hasattr(texts, "__iter__") and not hasattr(texts, "__getitem__"):
        return "pass a list"
    return ""

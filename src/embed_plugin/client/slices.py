"""Many texts to slices of a few, each of which is one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.encode.tokenizer import refuse_bad_text
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence


@dataclass(frozen=True)
class Slice:
    """Consecutive texts of the caller's input.

    Attributes:
        first: The caller's index of the first one.
        texts: The texts.
    """

    first: int
    texts: list[str]


def slices(texts: Iterable[str], *, most_texts: int, most_characters: int) -> Iterator[Slice]:
    """Cut texts into slices, reading one text ahead; a text of more characters than that is a slice of its own."""
    first, part, characters = 0, list[str](), 0
    for index, text in enumerate(texts):
        if part and (len(part) == most_texts or characters + len(text) > most_characters):
            yield Slice(first, part)
            first, part, characters = index, [], 0
        part.append(text)
        characters += len(text)
    if part:
        yield Slice(first, part)


def checked(texts: Iterable[str]) -> Iterator[str]:
    """Pass texts on as they are read, so that what no service could take is refused here.

    Raises:
        InvalidInputError: one str instead of a sequence of them.
        InvalidTextError: a text is not a str, or holds a lone surrogate.
    """
    if isinstance(texts, str | bytes):
        raise InvalidInputError(f"expected a sequence of texts, found one {type(texts).__name__}: pass [text]")
    for index, text in enumerate(texts):
        refuse_bad_text([text], index)
        yield text


def checked_list(texts: Sequence[str]) -> list[str]:
    """All the texts, checked before the first is sent.

    Raises:
        InvalidInputError: what was passed is no sequence; an iterator's vectors may not fit into memory.
    """
    if not hasattr(texts, "__len__"):
        raise InvalidInputError(f"expected a sequence of texts, found a {type(texts).__name__}: use stream_documents")
    return list(checked(texts))

"""Many texts to slices of a few, each of which is one request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.texts import iterable_of_texts, refuse_bad_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


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
        InvalidInputError: it is nothing that texts can be read from.
        InvalidTextError: a text is not a str, or holds a lone surrogate.
    """
    for index, text in enumerate(iterable_of_texts(texts)):
        refuse_bad_texts([text], index)
        yield text

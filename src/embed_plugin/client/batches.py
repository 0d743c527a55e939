"""Splits texts into batches, one for each request."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.texts import iterable_of_texts, refuse_bad_texts

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True)
class RequestBatch:
    """The texts of one request: consecutive texts of the caller's input.

    Attributes:
        first: The caller's index of the first text.
        texts: The texts.
    """

    first: int
    texts: list[str]


def batches(texts: Iterable[str], *, most_texts: int, most_characters: int) -> Iterator[RequestBatch]:
    """Split texts into batches, reading one text ahead; a text of more characters than the limit is sent alone."""
    first, batch, characters = 0, list[str](), 0
    for index, text in enumerate(texts):
        if batch and (len(batch) == most_texts or characters + len(text) > most_characters):
            yield RequestBatch(first, batch)
            first, batch, characters = index, [], 0
        batch.append(text)
        characters += len(text)
    if batch:
        yield RequestBatch(first, batch)


def checked_texts(texts: Iterable[str]) -> Iterator[str]:
    """Yield texts as they are read, and refuse here what no service could accept.

    Raises:
        InvalidInputError: ``texts`` cannot be iterated over as texts.
        InvalidTextError: a text is not a str, or holds a lone surrogate.
    """
    for index, text in enumerate(iterable_of_texts(texts)):
        refuse_bad_texts([text], index)
        yield text

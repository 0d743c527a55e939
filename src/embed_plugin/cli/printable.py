"""Escape text of files, records and servers before it is written to a terminal."""

from __future__ import annotations

import sys
import unicodedata

_JOINERS = "\u200c\u200d"
"""Written in Persian, in Indian languages and between emoji: they join or part letters, and do nothing else."""


def printable(text: object) -> str:
    r"""Return the text on one line, with escapes (``\x1b``) for characters that a terminal would act on or not show.

    These are control characters, line breaks, marks of the direction of writing and lone surrogates.
    """
    string = str(text)
    return string if string.isprintable() else "".join(map(_escaped, string))


def say(message: object) -> None:
    """Write a message to stderr, on one line."""
    print(f"embed-plugin: {printable(message)}", file=sys.stderr)  # noqa: T201 - the command's message


def count_of(number: int, noun: str) -> str:
    """A number with its noun: ``1 record``, ``2,000 records``."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def _escaped(character: str) -> str:
    if character.isprintable() or character in _JOINERS or unicodedata.category(character) == "Zs":
        return character
    return character.encode("unicode_escape").decode("ascii")

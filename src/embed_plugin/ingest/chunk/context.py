"""The title and headings that are put in front of a chunk's text, where a collection is made with them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias, cast, get_args

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

ContextRule: TypeAlias = Literal["none", "title-and-headings"]
"""What is put in front of a chunk's text before it is embedded and stored. Another wording is another rule: texts and
vectors follow from it, so it is part of a collection's identity."""

LARGEST_PART = 4
"""The context takes at most this part of a chunk: a fourth of its tokens."""


def context_of(title: str, headings: Sequence[str]) -> str:
    """The line in front of a text, ``Guide > Install > Proxy``, and the empty one behind it; empty without any."""
    path = " > ".join(filter(None, [title, *headings]))
    return f"{path}\n\n" if path else ""


def longest_that_fits(title: str, headings: Sequence[str], count: Callable[[str], int], most: int) -> str:
    """The context of at most ``most`` tokens; the outermost headings are left out first, then the title."""
    options = [context_of(title, headings[number:]) for number in range(len(headings) + 1)]
    options += [context_of("", headings[-1:])]
    return next((context for context in options if context and count(context) <= most), "")


def context_rule(name: str | None) -> ContextRule:
    """The rule of a name, as a collection's identity has it; ``none`` for None.

    Raises:
        InvalidInputError: there is no such rule, as of a later release.
    """
    found = next((rule for rule in get_args(ContextRule) if rule == (name or "none")), None)
    if found is None:
        message = f"the context {name!r}, expected {' or '.join(get_args(ContextRule))}: use the release that knows it"
        raise InvalidInputError(message)
    return cast("ContextRule", found)

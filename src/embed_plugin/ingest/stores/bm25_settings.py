"""Settings of the sparse vectors that BM25 makes of texts, and their form in a collection's identity."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, get_args

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

Language: TypeAlias = Literal[
    "arabic",
    "armenian",
    "basque",
    "catalan",
    "czech",
    "danish",
    "dutch",
    "english",
    "esperanto",
    "estonian",
    "finnish",
    "french",
    "german",
    "greek",
    "hindi",
    "hungarian",
    "indonesian",
    "irish",
    "italian",
    "lithuanian",
    "nepali",
    "norwegian",
    "persian",
    "polish",
    "portuguese",
    "romanian",
    "russian",
    "serbian",
    "sesotho",
    "spanish",
    "swedish",
    "tamil",
    "turkish",
    "yiddish",
]
"""The languages of Snowball's stemmers."""

_VERSIONS = (1, 2)


@dataclass(frozen=True)
class Bm25Settings:
    """Settings of BM25; all of them are part of a collection's identity.

    Attributes:
        language: The language of the stemmer and the stop words.
        k: How slowly a word's weight saturates as it is repeated; 0 makes once as good as often.
        b: How much a text's length counts: 0 not at all, 1 in full.
        mean_words: The length, in words, of a text that length does not count for or against.
        version: The version of the tokenisation. Collections that do not state one have 1.

    Raises:
        InvalidInputError: a setting is out of range.
    """

    language: Language = "english"
    k: float = 1.2
    b: float = 0.75
    mean_words: float = 256
    version: int = 2

    def __post_init__(self) -> None:
        if self.language not in get_args(Language):
            expected = ", ".join(get_args(Language))
            raise InvalidInputError(f"BM25 in the language {self.language!r}, expected one of {expected}")
        _check("k", self.k, fits=self.k >= 0, expected="0 or more")
        _check("b", self.b, fits=0 <= self.b <= 1, expected="0 to 1")
        _check("mean number of words", self.mean_words, fits=self.mean_words > 0, expected="more than 0")
        if self.version not in _VERSIONS:
            raise InvalidInputError(f"version {self.version!r} of BM25's tokens, expected 1 or 2")

    def for_identity(self) -> dict[str, str | float]:
        """The settings as a collection's identity has them."""
        return asdict(self)


def bm25_settings_of(written: Mapping[str, Any]) -> Bm25Settings:
    """The settings that an identity states; none are stated by collections that were made before there were any.

    Raises:
        InvalidInputError: a later release wrote them.
    """
    known = {one.name for one in fields(Bm25Settings)}
    if unknown := written.keys() - known:
        raise InvalidInputError(f"settings of BM25 named {', '.join(sorted(unknown))}, expected {', '.join(known)}")
    return Bm25Settings(**written) if written else Bm25Settings(version=1)


def _check(name: str, value: float, *, fits: bool, expected: str) -> None:
    if not (fits and math.isfinite(value)):
        raise InvalidInputError(f"BM25 with the {name} {value}, expected {expected}")

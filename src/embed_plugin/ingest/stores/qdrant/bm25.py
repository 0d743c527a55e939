"""Sparse vectors of a text's words with the weights of BM25, equal to those of Qdrant's own ``qdrant/bm25``.

A word is a run of letters and digits in lower case, without English stop words, stemmed by Snowball's English stemmer;
its index is the absolute value of its 32-bit MurmurHash3. A document's weight for a word that occurs ``n`` times is
``n (k + 1) / (n + k (1 - b + b words / average))``, a query's is 1, and the backend multiplies both by the word's
inverse document frequency in the collection (``Modifier.IDF``). The formula is from Robertson and Zaragoza, "The
Probabilistic Relevance Framework: BM25 and Beyond" (2009), the parameters have Qdrant's values.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from functools import lru_cache
from itertools import groupby
from threading import Lock
from typing import TYPE_CHECKING, NamedTuple

import mmh3
import snowballstemmer  # type: ignore[import-untyped]

if TYPE_CHECKING:
    from collections.abc import Iterable

_K, _B, _AVERAGE_WORDS = 1.2, 0.75, 256
_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_CACHED_WORDS = 1 << 16
_STOP_WORDS = frozenset(
    """
    a about above after again against ain all am an and any are aren as at be because been before being below
    between both but by can couldn d did didn do does doesn doing don down during each few for from further had hadn
    has hasn have haven having he her here hers herself him himself his how i if in into is isn it its itself just
    ll m ma me mightn more most mustn my myself needn no nor not now o of off on once only or other our ours
    ourselves out over own re s same shan she should shouldn so some such t than that the their theirs them
    themselves then there these they this those through to too under until up ve very was wasn we were weren what
    when where which while who whom why will with won wouldn y you your yours yourself yourselves
    """.split()  # noqa: SIM905 - a list of 153 strings would be a page
)
_STEMMER = snowballstemmer.stemmer("english")
_STEMMER_LOCK = Lock()  # a stemmer is stateful


class SparseVector(NamedTuple):
    """The nonzero components of a vector."""

    indices: list[int]
    values: list[float]


class Bm25:
    """Makes sparse vectors of documents and queries; the module describes their weights."""

    def document(self, text: str) -> SparseVector:
        """The weights of a document's words."""
        counts = Counter(_indices(text))
        length = _K * (1 - _B + _B * counts.total() / _AVERAGE_WORDS)
        return _sparse((index, count * (_K + 1) / (count + length)) for index, count in counts.items())

    def query(self, text: str) -> SparseVector:
        """A weight of 1 for each word of a query."""
        return _sparse((index, 1.0) for index in set(_indices(text)))


def _sparse(weights: Iterable[tuple[int, float]]) -> SparseVector:
    ordered = sorted(weights)
    return SparseVector([index for index, _ in ordered], [value for _, value in ordered])


def _indices(text: str) -> list[int]:
    return [index for word in _words(text) if (index := _index(word)) is not None]


def _words(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORDS.findall(text.lower())
    runs = groupby(text, _is_of_a_word)
    return ["".join(characters).lower() for of_a_word, characters in runs if of_a_word]


@lru_cache(_CACHED_WORDS)
def _is_of_a_word(character: str) -> bool:
    """Return True for letters, digits, and vowel signs of other scripts; False for accents that stand alone."""
    if character.isalnum():
        return True
    vowel_sign = unicodedata.combining(character) == 0 and unicodedata.category(character) in {"Mn", "Mc"}
    return vowel_sign or 10 <= unicodedata.combining(character) <= 35  # noqa: PLR2004 - Hebrew's and Arabic's


@lru_cache(_CACHED_WORDS)
def _index(word: str) -> int | None:
    if word in _STOP_WORDS:
        return None
    with _STEMMER_LOCK:
        stem = _STEMMER.stemWord(word)
    return abs(mmh3.hash(stem))

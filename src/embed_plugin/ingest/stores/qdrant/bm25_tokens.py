"""The tokens of a text that BM25 weighs, as indices of a sparse vector.

A word is a run of letters and digits in lower case, without the language's stop words, stemmed by Snowball; its index
is the absolute value of its 32-bit MurmurHash3.

Version 1 is what Qdrant's own ``qdrant/bm25`` does, for English; collections that were made before there were versions
keep it. Version 2 is the same for texts in alphabets, and differs in what Qdrant tears or leaves whole:

- Scripts that put no space between words, and Korean, whose particles are written onto the word and have no stemmer,
  become single characters and pairs of neighbours; so any part of a sentence is found without a dictionary. These are
  the scripts of Chinese and Japanese, Hangul, and those of class SA of Unicode's line breaking (UAX #14), where a break
  needs a dictionary: Thai, Lao, Khmer, Myanmar and their relatives. A vowel sign or tone mark stays with its letter.
- Viramas and nuktas, the marks inside words of Hindi, Nepali and Tamil, do not end a word.
- Text is composed first (NFC), so accents that a file system took off their letters end no word; full-width and
  half-width forms become usual ones; variation selectors and joiners, which nobody types, are dropped.
- I and İ become ı and i in Turkish.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from importlib import import_module
from itertools import groupby, pairwise
from threading import Lock
from typing import TYPE_CHECKING, Any, NamedTuple

import mmh3
import snowballstemmer  # type: ignore[import-untyped]

from embed_plugin.ingest.stores.qdrant.stop_words import stop_words_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.stores.bm25_settings import Language

_ASCII_WORDS = re.compile(r"[a-z0-9]+")
_CACHED_WORDS = 1 << 16
_OTHER, _WORD, _UNSPACED = range(3)
_WIDTHS = re.compile("[\uff01-\uffef]+")
_UNTYPED = re.compile("[\u200d\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_TURKISH = str.maketrans("Iİ", "ıi")
_STACKING = ("\u1039", "\u17d2")  # Myanmar's and Khmer's signs that put the next consonant under the last one
_UNSPACED_SCRIPTS = re.compile(
    "["
    "\u0e00-\u0eff"  # Thai, Lao
    "\u1000-\u109f\ua9e0-\ua9ff\uaa60-\uaa7f"  # Myanmar
    "\u1780-\u17ff"  # Khmer
    "\u1950-\u19df\u1a20-\u1aaf\uaa80-\uaadf"  # Tai Le, New Tai Lue, Tai Tham, Tai Viet
    "\u3005-\u3007\u303b\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"  # Han
    "\u3040-\u30ff\u31f0-\u31ff\U0001aff0-\U0001b16f"  # Hiragana, Katakana
    "\u3100-\u312f\u31a0-\u31bf"  # Bopomofo
    "\u1100-\u11ff\u3130-\u318f\ua960-\ua97f\uac00-\ud7ff"  # Hangul
    "]"
)


class Tokens(NamedTuple):
    """The indices of a text's tokens, with repetitions.

    Attributes:
        words: Of its words, and of the single characters of scripts without spaces: their number is the text's length.
        pairs: Of the pairs of neighbouring characters of such scripts. They repeat what the characters say, so they do
            not count for the length.
    """

    words: list[int]
    pairs: list[int]


def tokens_of(text: str, language: Language, version: int) -> Tokens:
    """The tokens of a text."""
    tokeniser = _tokeniser(language)
    if version == 1:
        return Tokens(tokeniser.indices(_words_as_qdrant(text)), [])
    return tokeniser.tokens(text)


def _words_as_qdrant(text: str) -> list[str]:
    if text.isascii():
        return _ASCII_WORDS.findall(text.lower())
    runs = groupby(text, _is_of_a_word)
    return ["".join(characters).lower() for of_a_word, characters in runs if of_a_word]


class _Tokeniser:
    """Tokenises texts in a language; threads may share one."""

    def __init__(self, language: Language) -> None:
        self._is_turkish = language == "turkish"
        self._stop_words = stop_words_of(language)
        self._stemmer = _stemmer(language)
        self._lock = Lock()  # a stemmer is stateful
        self._index = lru_cache(_CACHED_WORDS)(self._index_of)

    def indices(self, words: list[str]) -> list[int]:
        """The indices of words in lower case, without stop words."""
        return [index for word in words if (index := self._index(word)) is not None]

    def tokens(self, text: str) -> Tokens:
        """The tokens of version 2."""
        if self._is_turkish:
            text = text.translate(_TURKISH)
        if text.isascii():
            return Tokens(self.indices(_ASCII_WORDS.findall(text.lower())), [])
        words: list[int] = []
        pairs: list[int] = []
        for kind, characters in groupby(_composed(text), _kind):
            if kind == _WORD:
                words += self.indices(["".join(characters).lower()])
            elif kind == _UNSPACED:
                units = _units(characters)
                words += map(_hash, units)
                pairs += (_hash(first + second) for first, second in pairwise(units))
        return Tokens(words, pairs)

    def _index_of(self, word: str) -> int | None:
        if word in self._stop_words:
            return None
        with self._lock:
            stem = self._stemmer.stemWord(word)
        return _hash(stem)


def _stemmer(language: Language) -> Any:  # noqa: ANN401 - the package has no types
    """The package's own stemmer: its function ``stemmer`` takes PyStemmer where that is installed, of any release."""
    module = import_module(f"{snowballstemmer.__name__}.{language}_stemmer")
    return getattr(module, f"{language.capitalize()}Stemmer")()


@lru_cache
def _tokeniser(language: Language) -> _Tokeniser:
    return _Tokeniser(language)


def _hash(token: str) -> int:
    return abs(mmh3.hash(token))


def _composed(text: str) -> str:
    """A text in the forms that people type."""
    composed = unicodedata.normalize("NFC", _UNTYPED.sub("", text))
    return _WIDTHS.sub(lambda found: unicodedata.normalize("NFKC", found[0]), composed)


def _units(characters: Iterator[str]) -> list[str]:
    """Characters with the marks that belong to them."""
    units: list[str] = []
    for character in characters:
        if units and (unicodedata.category(character) in {"Mn", "Mc"} or units[-1].endswith(_STACKING)):
            units[-1] += character
        else:
            units.append(character)
    return units


@lru_cache(_CACHED_WORDS)
def _kind(character: str) -> int:
    """The kind of run that a character belongs to, in version 2."""
    is_mark = unicodedata.category(character) in {"Mn", "Mc"}
    if _UNSPACED_SCRIPTS.match(character) and (character.isalnum() or is_mark):
        return _UNSPACED
    inside_words = unicodedata.combining(character) in {7, 9}  # nukta, virama
    return _WORD if inside_words or _is_of_a_word(character) else _OTHER


@lru_cache(_CACHED_WORDS)
def _is_of_a_word(character: str) -> bool:
    """Return True for letters, digits, and vowel signs of other scripts; False for accents that stand alone."""
    if character.isalnum():
        return True
    vowel_sign = unicodedata.combining(character) == 0 and unicodedata.category(character) in {"Mn", "Mc"}
    return vowel_sign or 10 <= unicodedata.combining(character) <= 35  # noqa: PLR2004 - Hebrew's and Arabic's

"""Rank a corpus in memory by the words of a query: a first stage that needs no model.

BM25 as in Robertson and Zaragoza, "The Probabilistic Relevance Framework: BM25 and Beyond" (2009), with k 1.2 and b
0.75. A word is a run of letters and digits in lower case, neither stemmed nor left out.
"""

from __future__ import annotations

import re
from array import array
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy.typing as npt

_K, _B = 1.2, 0.75
_WORDS = re.compile(r"\w+")


class Bm25Index:
    """The words of a corpus, by which documents are ranked."""

    def __init__(self, texts: Iterable[str]) -> None:
        """Count the words of each text."""
        self._postings: dict[str, tuple[array[int], array[int]]] = {}
        lengths = array("i")
        for index, text in enumerate(texts):
            counts = Counter(_words(text))
            lengths.append(counts.total())
            for word, count in counts.items():
                documents, times = self._postings.setdefault(word, (array("i"), array("i")))
                documents.append(index)
                times.append(count)
        self._lengths = np.asarray(lengths, np.float64)

    def __len__(self) -> int:
        """Number of texts."""
        return len(self._lengths)

    def scores(self, query: str) -> npt.NDArray[np.float64]:
        """Score every text for a query, ``(n,)``; 0 where they share no word."""
        scores = np.zeros(len(self))
        if not len(self):
            return scores
        shares = _K * (1 - _B + _B * self._lengths / max(self._lengths.mean(), 1))
        for word in dict.fromkeys(_words(query)):
            if word not in self._postings:
                continue
            documents, times = (np.asarray(part, np.int64) for part in self._postings[word])
            rarity = np.log1p((len(self) - len(documents) + 0.5) / (len(documents) + 0.5))
            scores[documents] += rarity * times * (_K + 1) / (times + shares[documents])
        return scores


def _words(text: str) -> list[str]:
    return _WORDS.findall(text.lower())

from __future__ import annotations

import math

import numpy as np
import pytest

from embed_plugin.evaluate.bm25 import Bm25Index


def test_a_score_is_the_published_formula() -> None:
    index = Bm25Index(["red red cat", "blue dog", "a cat"])
    idf, tf = math.log(1 + (3 - 1 + 0.5) / 1.5), 2 * 2.2 / (2 + 1.2 * (0.25 + 0.75 * 3 / (7 / 3)))
    assert index.scores("RED, red?").tolist() == [pytest.approx(idf * tf), 0, 0]


def test_rare_words_count_more_and_unknown_ones_nothing() -> None:
    index = Bm25Index(["cat one", "cat two", "cat dog", "fish bird"])
    scores = index.scores("dog cat zebra")
    assert np.argmax(scores) == 2
    assert scores[3] == 0


def test_an_empty_corpus_has_no_scores() -> None:
    assert Bm25Index([]).scores("cat").shape == (0,)
    assert Bm25Index(["", "  "]).scores("cat").tolist() == [0, 0]

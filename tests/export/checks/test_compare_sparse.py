from __future__ import annotations

import numpy as np
import pytest

from embed_plugin.export.checks.compare_sparse import FIRST_WORDS, compare_text


def row(**values: float) -> np.ndarray:
    words = np.zeros((1, 100), np.float32)
    for name, value in values.items():
        words[0, int(name[1:])] = value
    return words


def test_cosines_are_those_of_directions() -> None:
    cosine, kept, here, there = compare_text(row(w1=1, w2=1), row(w1=3))
    assert cosine == pytest.approx(0.5**0.5)
    assert (kept, here, there) == (0.5, 2, 1)


def test_the_first_words_are_those_of_the_largest_weights() -> None:
    exact = {f"w{word}": float(100 - word) for word in range(40)}
    other = {**exact, "w0": 0.5, "w30": 99.0}
    assert compare_text(row(**exact), row(**other))[1] == (FIRST_WORDS - 1) / FIRST_WORDS


@pytest.mark.parametrize(("quantised", "cosine"), [({}, 1.0), ({"w1": 2.0}, 0.0)])
def test_a_text_without_words_is_like_another_without(quantised: dict[str, float], cosine: float) -> None:
    assert compare_text(row(), row(**quantised))[:2] == (cosine, 1.0)

from __future__ import annotations

import numpy as np
import pytest

from embed_plugin.cost.sample_texts import sample_texts
from embed_plugin.testing import FakeEncoder


@pytest.mark.parametrize("tokens", [20, 50, 200])
def test_texts_have_the_mean_length_and_are_spread_around_it(tokens: float) -> None:
    counts = FakeEncoder().count_tokens(sample_texts(tokens, 512))
    assert np.mean(counts) == pytest.approx(tokens, abs=1)
    assert (min(counts), max(counts)) == pytest.approx((tokens / 2, 1.5 * tokens), abs=1)


def test_there_is_a_word_however_short_they_are() -> None:
    assert all(sample_texts(1, 512))

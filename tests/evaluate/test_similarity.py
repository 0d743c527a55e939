from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder, InvalidInputError
from embed_plugin.evaluate import SentencePair, evaluate_similarity, read_sentence_pairs, spearman
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def test_cosines_are_those_of_the_pairs(sts: Path) -> None:
    encoder, progress, pairs = FakeEncoder(), list[int](), read_sentence_pairs(sts)
    result = evaluate_similarity(encoder, pairs, on_progress=progress.append)
    expected = [
        encoder.encode_documents([pair.first])[0] @ encoder.encode_documents([pair.second])[0] for pair in pairs
    ]
    np.testing.assert_allclose(result.cosines, expected, atol=1e-6)
    assert result.spearman == spearman(result.cosines, result.scores)
    assert progress[-1] == 2 * len(pairs)


def test_equal_sentences_only_have_no_correlation() -> None:
    pairs = [SentencePair(1, "a", "a"), SentencePair(2, "a", "a")]
    with pytest.raises(InvalidInputError, match="are equal"):
        evaluate_similarity(FakeEncoder(), pairs)


@pytest.mark.real_model
@pytest.mark.xdist_group("real_model")
def test_int8_on_a_part_of_the_sts_benchmark(minilm: Callable[[Any], Path], shared_data: Path) -> None:
    pairs = read_sentence_pairs(shared_data / "stsb" / "sts-test.csv")[::4]
    assert evaluate_similarity(Encoder.load(minilm("int8")), pairs).spearman == pytest.approx(0.82, abs=0.03)

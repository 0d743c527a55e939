from __future__ import annotations

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin.encode.outputs import CANARY_NUMBERS, LexicalResult, SparseResult, VectorResult, most_texts_of
from embed_plugin.errors import EncodingError
from encode.test_queue import Recorder


def test_a_row_becomes_the_vector_of_its_text() -> None:
    output = VectorResult(3)
    vectors = output.allocate(2)
    for index in (1, 0):
        output.put(np.full(3, index, np.float32), [0], vectors, index)
    assert vectors.tolist() == [[0.0] * 3, [1.0] * 3]


@pytest.mark.parametrize("shape", [(1, 3), (2, 1), (2, 3, 1), (2,)])
def test_rows_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(EncodingError, match=r"expected \(2, 3\)"):
        VectorResult(3).check(np.zeros(shape, np.float32), 2, 5)


def test_vectors_are_stored_in_a_part_of_the_callers_array() -> None:
    whole = np.full((4, 1), -1, np.float32)
    future = Recorder().queue().submit([[1, 2], [3]], into=whole[1:3])
    assert np.shares_memory(future.result(timeout=HANG_SECONDS), whole)
    assert whole.tolist() == [[-1.0], [3.0], [3.0], [-1.0]]


def test_a_row_becomes_the_words_above_zero() -> None:
    output = SparseResult(5)
    vectors = output.allocate(2)
    output.put(np.array([0, 0.5, 0, -1, 2], np.float32), [0], vectors, 1)
    output.put(np.zeros(5, np.float32), [0], vectors, 0)
    assert [(each.indices.tolist(), each.values.tolist()) for each in vectors] == [([], []), ([1, 4], [0.5, 2.0])]


def test_the_largest_words_are_kept_and_of_equal_ones_the_first() -> None:
    output, vectors = SparseResult(5, max_active=2), np.empty(1, dtype=object)
    output.put(np.array([1, 1, 0, 1, 2], np.float32), [0], vectors, 0)
    assert (vectors[0].indices.tolist(), vectors[0].values.tolist()) == ([0, 4], [1.0, 2.0])


def test_rows_of_another_vocabulary_are_refused() -> None:
    with pytest.raises(EncodingError, match=r"expected \(2, 5\)"):
        SparseResult(5).check(np.zeros((2, 4), np.float32), 2, 3)


def test_a_canary_of_a_large_vocabulary_is_short_and_sees_every_word() -> None:
    row = np.zeros(250_002, np.float32)
    for word in (7, 250_001):
        row[word] += 1.5
        assert SparseResult(len(row)).canary(row).tolist().count(1.5) == (1 if word == 7 else 2)
    assert SparseResult(len(row)).canary(row).shape == (CANARY_NUMBERS,)


def test_batches_have_fewer_texts_of_larger_vocabularies() -> None:
    assert [most_texts_of(SparseResult(words)) for words in (30_522, 250_002, 10**8)] == [137, 16, 1]
    assert most_texts_of(VectorResult(384)) is None


def test_a_word_has_the_largest_weight_of_its_tokens_and_special_ones_have_none() -> None:
    output, vectors = LexicalResult((1, 2)), np.empty(1, dtype=object)
    output.put(np.array([9, 0.5, 2, 0, 1, 7], np.float32), [1, 8, 5, 6, 8, 2], vectors, 0)
    assert (vectors[0].indices.tolist(), vectors[0].values.tolist()) == ([5, 8], [2.0, 1.0])
    assert vectors[0].indices.dtype == np.int32
    with pytest.raises(EncodingError, match=r"expected \(2, 5\)"):
        output.check(np.zeros((2, 4), np.float32), 2, 5)

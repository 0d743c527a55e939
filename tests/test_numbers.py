from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import InvalidInputError
from embed_plugin.numbers import cut, hamming, rescore, to_binary, to_float16, to_int8

if TYPE_CHECKING:
    from embed_plugin import Vectors


def unit(n: int, dimension: int, seed: int = 0) -> Vectors:
    rows = np.random.default_rng(seed).standard_normal((n, dimension)).astype(np.float32)
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True), np.float32)


@given(full=st.integers(2, 40), kept=st.integers(1, 40), layer_norm=st.booleans())
def test_a_cut_is_what_torch_computes(full: int, kept: int, *, layer_norm: bool) -> None:
    kept = min(kept, full)
    vectors = unit(3, full).astype(np.float64)
    whole = vectors
    if layer_norm:
        whole = (vectors - vectors.mean(axis=1, keepdims=True)) / np.sqrt(vectors.var(axis=1, keepdims=True) + 1e-5)
    expected = whole[:, :kept] / np.linalg.norm(whole[:, :kept], axis=1, keepdims=True)
    np.testing.assert_allclose(cut(vectors.astype(np.float32), kept, layer_norm=layer_norm), expected, atol=1e-5)


def test_a_cut_row_depends_on_itself_alone() -> None:
    vectors = unit(50, 384)
    alone = np.concatenate([cut(vectors[row : row + 1], 200) for row in range(50)])
    np.testing.assert_array_equal(cut(vectors, 200), alone)


def test_a_vector_of_zeros_stays_one() -> None:
    assert not cut(np.zeros((1, 8), np.float32), 4).any()
    assert not to_int8(np.zeros((1, 8), np.float32)).to_float32().any()


@pytest.mark.parametrize("dimension", [0, -1, 9])
def test_a_cut_longer_than_the_vectors_is_refused(dimension: int) -> None:
    with pytest.raises(InvalidInputError, match=f"dimension is {dimension}; these vectors have 1 to 8 numbers"):
        cut(unit(2, 8), dimension)


def test_float16_and_int8_are_near() -> None:
    vectors = unit(100, 384)
    np.testing.assert_allclose(to_float16(vectors), vectors, atol=1e-4)
    rounded = to_int8(vectors)
    assert rounded.values.dtype == np.int8
    assert np.abs(rounded.values).max(axis=1).tolist() == [127] * 100
    assert (np.abs(rounded.to_float32() - vectors) <= rounded.scales[:, None] * 0.5001).all()


def test_bits_are_those_of_packbits() -> None:
    vectors = np.array([[0.1, -0.2, 0.0, 0.3, -0.1, -0.1, -0.1, 0.5, -1, -1, -1, -1, -1, -1, -1, 0.1]], np.float32)
    assert to_binary(vectors).tolist() == [[0b10010001, 0b00000001]]
    with pytest.raises(InvalidInputError, match="have 12 numbers; bits need a multiple of 8"):
        to_binary(unit(1, 12))


def test_hamming_and_rescore_order_as_the_signs_do() -> None:
    documents, queries = unit(200, 64), unit(5, 64, seed=1)
    bits = to_binary(documents)
    signs = np.where(documents > 0, 1, -1)
    for query, packed in zip(queries, to_binary(queries), strict=True):
        assert (64 - 2 * hamming(packed, bits)).tolist() == (signs @ np.where(query > 0, 1, -1)).tolist()
        np.testing.assert_allclose(rescore(query, bits), signs @ query / 8, atol=1e-6)
    with pytest.raises(InvalidInputError, match="documents of 64 bits and a query of 32 numbers"):
        rescore(queries[0, :32], bits)

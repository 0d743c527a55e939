from __future__ import annotations

import numpy as np

from embed_plugin import SparseVector


def vector(**values: float) -> SparseVector:
    """A vector with these values at the indices that the names end in."""
    indices = np.array([int(name[1:]) for name in values], np.int32)
    return SparseVector(indices, np.array(list(values.values()), np.float32))


def test_vectors_are_equal_by_their_numbers() -> None:
    assert vector(i1=2, i5=3) == vector(i1=2, i5=3)
    assert hash(vector(i1=2)) == hash(vector(i1=2))
    assert vector(i1=2, i5=3) != vector(i1=2, i5=4)
    assert vector(i1=2) != vector(i2=2)
    assert vector(i1=2) != "a text"


def test_the_dot_product_is_that_of_the_shared_words() -> None:
    assert vector(i1=2, i5=3, i9=1).dot(vector(i0=7, i5=4, i9=0.5)) == 12.5
    assert vector(i1=2).dot(vector(i2=2)) == vector().dot(vector(i2=2)) == 0.0
    assert (len(vector()), len(vector(i1=2, i5=3))) == (0, 2)

from __future__ import annotations

import numpy as np
import pytest

from conftest import HANG_SECONDS
from embed_plugin.encode.outputs import VectorResult
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

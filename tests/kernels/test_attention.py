from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.one_operator import (
    Rows,
    assert_quantised,
    attention,
    dequantise,
    on_each_set,
    quantise,
    ranged,
    run,
    session,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
OPERATOR = "AttentionQuantise"
ERROR = 4e-4
"""The largest error of values of -1 to 1: half a step of 2047, and of shares of 2 ** -13."""


def inputs(texts: int, rows: int, length: int, width: int, seed: int = 0) -> list[Array]:
    random = np.random.default_rng(seed)
    shapes = [(texts, rows, width), (texts, length, width), (texts, length, width)]
    return [random.uniform(-1, 1, size=shape).astype(np.float32) for shape in shapes]


def attended(values: list[Array], heads: int, kept: Sequence[int] = ()) -> Rows:
    return Rows(*run(session(OPERATOR, "num_heads", heads), OPERATOR, *values, kept))


@pytest.mark.parametrize("size", [16, 32, 48, 64, 128, 256])
@pytest.mark.parametrize("length", [1, 2, 15, 16, 17, 33, 100, 129, 513])
@pytest.mark.parametrize("rows", [1, 7, 8, 9, None])
def test_attention_of_any_length(size: int, length: int, rows: int | None) -> None:
    values = inputs(2, rows or length, length, 2 * size)
    assert_quantised(attended(values, 2), attention(values, heads=2), 2 * ERROR)


def test_it_adds_nothing_to_the_rounding_of_its_rows() -> None:
    values = inputs(4, 50, 50, 384)
    found = attended(values, 12)
    error = np.abs(dequantise(found) - attention(values, heads=12)) / found.terms[..., :1]
    assert 0.24 < error.mean() < 0.26  # that of numbers anywhere between two steps is 0.25


def test_one_key_far_above_the_others() -> None:
    q, k, v = inputs(1, 3, 40, 64)
    k[0, 17], q[...] = 1e4, 1e4
    assert_quantised(attended([q, k, v], 1), np.repeat(v[:, 17:18], 3, axis=1), ERROR)


@pytest.mark.parametrize("factor", [0, 1e-30, 1e-4])
def test_tiny_scores_are_the_mean(factor: float) -> None:
    q, k, v = inputs(1, 3, 40, 64)
    found = attended([q * np.float32(factor), k, v], 2)
    assert_quantised(found, np.repeat(v.mean(1, keepdims=True), 3, axis=1), ERROR)


def test_scores_far_below_zero() -> None:
    q, k, v = inputs(1, 2, 33, 32)
    q[...], k[...] = -1e15, 1e15
    assert_quantised(attended([q, k, v], 1), np.repeat(v.mean(1, keepdims=True), 2, axis=1), ERROR)


@pytest.mark.parametrize("size", [32, 64])
@pytest.mark.parametrize("rows", [1, 13])
def test_its_rows_are_those_of_its_values(size: int, rows: int) -> None:
    """Whatever channels are kept, all of them here, the others are quantised as they are known to be."""
    values = inputs(2, rows, 13, 3 * size)
    exact = attended(values, 3, range(3 * size)).terms[..., 2:]
    np.testing.assert_allclose(exact, attention(values, heads=3), atol=2 * ERROR)
    for kept in ([], [0, size, 3 * size - 1]):
        found, same = attended(values, 3, kept), quantise(exact, kept)
        assert found.terms.tobytes() == same.terms.tobytes()
        assert (ranged(found.bytes, kept) == ranged(same.bytes, kept)).all()


@pytest.mark.parametrize("texts", [0, 1])
def test_no_rows(texts: int) -> None:
    found = attended(inputs(texts, 0, 3, 32), 1)
    assert found.bytes.shape == (texts, 0, 32)
    assert found.terms.shape == (texts, 0, 2)


@given(st.integers(1, 70), st.integers(1, 20), st.integers(0, 5), st.integers(1, 5), st.sampled_from([16, 32, 64]))
def test_a_text_and_a_row_do_not_depend_on_the_others(
    length: int, rows: int, first: int, count: int, size: int
) -> None:
    q, k, v = inputs(6, rows, length, 2 * size, seed=length)
    whole = attended([q, k, v], 2, [3])
    part, row = slice(first, first + count), rows // 2
    some = attended([q[part], k[part], v[part]], 2, [3])
    one_row = attended([q[:, row : row + 1], k, v], 2, [3])
    for of_whole, of_some, of_row in zip(whole, some, one_row, strict=True):
        assert of_some.tobytes() == of_whole[part].tobytes()
        assert of_row.tobytes() == of_whole[:, row : row + 1].tobytes()


def test_threads_on_one_session_get_the_same_bits() -> None:
    runs = session(OPERATOR, "num_heads", 4)
    cases = [[*inputs(2, length, length, 128), [5]] for length in (3, 40, 100, 200)] * 8
    alone = [run(runs, OPERATOR, *case)[0] for case in cases]
    with ThreadPoolExecutor(8) as threads:
        together = list(threads.map(lambda case: run(runs, OPERATOR, *case)[0], cases))
    assert all((one == other).all() for one, other in zip(alone, together, strict=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: np.zeros((2, 3, 32))}, "queries must be"),
        ({0: np.zeros((1, 3, 64))}, "queries must be"),
        ({0: np.zeros((3, 64))}, "queries must be"),
        ({2: np.zeros((2, 6, 64))}, "queries must be"),
        ({1: np.zeros((2, 0, 64)), 2: np.zeros((2, 0, 64))}, "1 to 131072 keys"),
        ({3: [64]}, "outside of its row"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[int, object], message: str) -> None:
    given: list[object] = [*inputs(2, 3, 5, 64), []]
    for place, value in change.items():
        given[place] = value
    with pytest.raises(Exception, match=message):
        run(session(OPERATOR, "num_heads", 2), OPERATOR, *given)


@pytest.mark.parametrize("width", [1, 8, 33, 40, 272, 512])
def test_heads_of_another_size_are_refused(width: int) -> None:
    with pytest.raises(Exception, match="16 to 256 channels, a multiple of 16"):
        attended(inputs(1, 2, 2, width), 1)


def test_heads_must_share_the_channels() -> None:
    with pytest.raises(Exception, match="16 to 256 channels, a multiple of 16"):
        attended(inputs(1, 2, 2, 100), 3)


@pytest.mark.parametrize("heads", [0, -1, 1025, 2**59])
def test_there_must_be_heads(heads: int) -> None:
    with pytest.raises(Exception, match="num_heads must be 1 to 1024"):
        session(OPERATOR, "num_heads", heads)


def test_their_number_must_be_said() -> None:
    with pytest.raises(Exception, match="num_heads"):
        session(OPERATOR)

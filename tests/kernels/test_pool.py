from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from support.one_operator import layer_norm, on_each_set, run, session

Array = npt.NDArray[Any]
pytestmark = on_each_set
WIDTHS = [1, 15, 16, 17, 63, 64, 65, 384, 1540]


def numbers(*shape: int) -> Array:
    return np.random.default_rng(len(shape)).standard_normal(shape, dtype=np.float32)


def summed(x: Array) -> Array:
    return run(session("SumTokens"), "SumTokens", x)[0]


def unit(x: object, epsilon: float = 1e-12) -> Array:
    return run(session("UnitRows", "epsilon", epsilon), "UnitRows", x)[0]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("tokens", [1, 2, 100])
def test_tokens_are_added_one_after_the_other(width: int, tokens: int) -> None:
    x = numbers(3, tokens, width)
    expected = np.zeros((3, 1, width), np.float32)
    for token in range(tokens):
        expected[:, 0] += x[:, token]
    assert summed(x).tobytes() == expected.tobytes()


def test_a_text_of_no_tokens_is_zero() -> None:
    assert summed(numbers(2, 0, 5)).tolist() == [[[0.0] * 5]] * 2


@pytest.mark.parametrize("width", WIDTHS)
def test_rows_become_unit_length(width: int) -> None:
    x = numbers(5, width) * 100
    expected = x / np.linalg.norm(x.astype(np.float64), axis=1, keepdims=True)
    np.testing.assert_allclose(unit(x), expected, rtol=3e-7)


def test_the_epsilon_is_within_the_root() -> None:
    assert unit([[0, 0]]).tolist() == [[0, 0]]
    np.testing.assert_allclose(unit([[3, 0]], 16.0), [[0.6, 0]])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_norm_alone(width: int) -> None:
    x, gamma, beta = numbers(7, width), numbers(width), -numbers(width)
    found = run(session("NormRows", "epsilon", 1e-5), "NormRows", x, gamma, beta)[0]
    np.testing.assert_allclose(found, layer_norm(x, gamma, beta, 1e-5), atol=2e-5)


def test_it_is_the_norm_of_a_sum_with_nothing() -> None:
    x, gamma, beta = numbers(7, 100), numbers(100), numbers(100)
    alone = run(session("NormRows", "epsilon", 1e-5), "NormRows", x, gamma, beta)[0]
    with_rows = run(session("AddNormQuantise", "epsilon", 1e-5), "AddNormQuantise", x, 0 * x, gamma, beta, [])[0]
    assert alone.tobytes() == with_rows.tobytes()


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("outputs", [0, 1, 7])
def test_a_dense_layer_multiplies_each_vector(width: int, outputs: int) -> None:
    x, weight = numbers(3, width, 1), numbers(outputs, width)
    found = run(session("MultiplyColumn"), "MultiplyColumn", x, weight)[0]
    np.testing.assert_allclose(found, weight.astype(np.float64) @ x, rtol=1e-5, atol=1e-5)
    alone = run(session("MultiplyColumn"), "MultiplyColumn", x[1:2], weight)[0]
    assert alone.tobytes() == found[1:2].tobytes()


@pytest.mark.parametrize(
    ("operator", "inputs", "message"),
    [
        ("SumTokens", [np.zeros((3, 4))], "must be .n, length, h."),
        ("UnitRows", [np.float32(1)], "a row must have values"),
        ("UnitRows", [np.zeros((3, 0))], "a row must have values"),
        ("NormRows", [np.zeros((3, 0)), [], []], "must have values"),
        ("MultiplyColumn", [np.zeros((3, 4)), np.zeros((2, 4))], "vectors must be .n, in, 1."),
        ("MultiplyColumn", [np.zeros((3, 4, 1)), np.zeros((2, 5))], "a weight .out, in."),
        ("MultiplyColumn", [np.zeros((3, 4, 1)), np.zeros(4)], "a weight .out, in."),
        ("NormRows", [np.zeros((3, 4)), np.zeros(4), np.zeros(5)], "gamma and beta must be"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(operator: str, inputs: list[object], message: str) -> None:
    attribute = () if operator in {"SumTokens", "MultiplyColumn"} else ("epsilon", 1e-12)
    with pytest.raises(Exception, match=message):
        run(session(operator, *attribute), operator, *inputs)

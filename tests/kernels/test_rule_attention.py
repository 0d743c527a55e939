from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.one_operator import Rows, assert_quantised, dequantise, on_each_set, quantise, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
OPERATOR = "RuleAttentionQuantise"
ERROR = 8e-4
"""The largest error of values of -1 to 1: half a step of 2047, and of shares of 2 ** -13."""


@dataclass(frozen=True)
class Rule:
    num_heads: int = 2
    kv_heads: int = 2
    causal: int = 0
    window: int = -1
    scale: float = 0.25


NO_BIAS = np.zeros((0, 0), np.float32)
RULES = [
    Rule(),
    Rule(causal=1),
    Rule(window=0),
    Rule(window=5),
    Rule(window=64),
    Rule(window=20, causal=1),
    Rule(num_heads=4),
    Rule(num_heads=3, kv_heads=1, causal=1, scale=0.4),
]


def inputs(rule: Rule, texts: int, rows: int, length: int, size: int, seed: int = 0) -> list[Array]:
    random = np.random.default_rng(seed)
    widths = (rule.num_heads * size, rule.kv_heads * size, rule.kv_heads * size)
    lengths = (rows, length, length)
    return [
        random.uniform(-1, 1, (texts, n, width)).astype(np.float32) for n, width in zip(lengths, widths, strict=True)
    ]


def bias_of(rule: Rule, positions: int) -> Array:
    return np.random.default_rng(positions).normal(size=(rule.num_heads, 2 * positions - 1)).astype(np.float32)


def attended(rule: Rule, values: Sequence[Array], kept: Sequence[int] = (), bias: Array = NO_BIAS) -> Rows:
    return Rows(*run(session(OPERATOR, attributes=asdict(rule)), OPERATOR, *values, bias, kept))


def scores_of(rule: Rule, q: Array, k: Array, bias: Array) -> Array:
    away = np.arange(k.shape[2]) - np.arange(q.shape[2])[:, None]
    scores = q @ k.swapaxes(2, 3) * rule.scale
    if bias.size:
        scores = scores + bias[:, bias.shape[1] // 2 + away]
    hidden = (away > 0) & bool(rule.causal) | (np.abs(away) > rule.window) & (rule.window >= 0)
    found: Array = np.where(hidden, -np.inf, scores)
    return found


def expected(rule: Rule, values: Sequence[Array], bias: Array = NO_BIAS) -> Array:
    heads = (rule.num_heads, rule.kv_heads, rule.kv_heads)
    q, k, v = (
        x.astype(np.float64).reshape(*x.shape[:2], of, -1).swapaxes(1, 2) for x, of in zip(values, heads, strict=True)
    )
    k, v = (np.repeat(x, rule.num_heads // rule.kv_heads, axis=1) for x in (k, v))
    scores = scores_of(rule, q, k, bias)
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    found: Array = (shares / shares.sum(-1, keepdims=True) @ v).swapaxes(1, 2)
    return found.reshape(values[0].shape)


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("length", [1, 2, 16, 17, 33, 129, 300])
@pytest.mark.parametrize("biased", [False, True])
def test_each_rule(rule: Rule, length: int, biased: bool) -> None:  # noqa: FBT001 - a value that varies
    values = inputs(rule, 2, length, length, 32)
    bias = bias_of(rule, length + 3) if biased else NO_BIAS
    assert_quantised(attended(rule, values, bias=bias), expected(rule, values, bias), ERROR)


@pytest.mark.parametrize("size", [16, 48, 64, 128, 256])
@pytest.mark.parametrize("rows", [1, 3, 9])
def test_heads_of_any_size_and_fewer_queries_than_keys(size: int, rows: int) -> None:
    rule = Rule(num_heads=4, window=6)
    values = inputs(rule, 2, rows, 40, size)
    assert_quantised(attended(rule, values, bias=bias_of(rule, 40)), expected(rule, values, bias_of(rule, 40)), ERROR)


def test_it_adds_nothing_to_the_rounding_of_its_rows() -> None:
    rule = Rule(num_heads=12, kv_heads=4, causal=1, scale=32**-0.5)
    values = inputs(rule, 4, 50, 50, 32)
    found = attended(rule, values)
    error = np.abs(dequantise(found) - expected(rule, values)) / found.terms[..., :1]
    assert 0.24 < error.mean() < 0.26  # that of numbers anywhere between two steps is 0.25


def test_a_bias_of_any_size_leaves_the_key_it_prefers() -> None:
    rule = Rule(num_heads=1, kv_heads=1)
    q, k, v = inputs(rule, 1, 40, 40, 32)
    bias = np.full((1, 79), -1e4, np.float32)
    bias[0, 39] = 1e4  # of distance 0
    assert_quantised(attended(rule, [q, k, v], bias=bias), v, ERROR)


def test_the_first_token_of_a_causal_text_is_its_own_value() -> None:
    rule = Rule(num_heads=1, kv_heads=1, causal=1)
    values = inputs(rule, 1, 300, 300, 64)
    assert_quantised(Rows(*(x[:, :1] for x in attended(rule, values))), values[2][:, :1], ERROR)


def test_its_rows_are_those_of_its_values() -> None:
    rule, kept = Rule(window=9), [0, 32, 63]
    values = inputs(rule, 2, 150, 150, 32)
    exact = attended(rule, values, range(64)).terms[..., 2:]
    found, same = attended(rule, values, kept), quantise(exact, kept)
    assert found.terms.tobytes() == same.terms.tobytes()
    assert (ranged(found.bytes, kept) == ranged(same.bytes, kept)).all()


@given(
    st.sampled_from(RULES), st.integers(1, 300), st.integers(0, 2), st.booleans(), st.integers(1, 20), st.integers(0, 9)
)
def test_a_text_and_a_row_do_not_depend_on_the_others(
    rule: Rule,
    length: int,
    text: int,
    biased: bool,  # noqa: FBT001 - a value that varies
    rows: int,
    seed: int,
) -> None:
    q, k, v = inputs(rule, 3, length, length, 16, seed=seed)
    bias = bias_of(rule, 300) if biased else NO_BIAS
    whole = attended(rule, [q, k, v], [3], bias)
    one = slice(text, text + 1)
    alone = attended(rule, [q[one], k[one], v[one]], [3], bias)
    first = attended(rule, [q[:, :rows], k, v], [3], bias)
    for of_whole, of_one, of_first in zip(whole, alone, first, strict=True):
        assert of_one.tobytes() == of_whole[one].tobytes()
        assert of_first.tobytes() == of_whole[:, :rows].tobytes()


@pytest.mark.parametrize("texts", [0, 1])
def test_no_rows(texts: int) -> None:
    found = attended(Rule(), inputs(Rule(), texts, 0, 3, 32))
    assert found.terms.shape == (texts, 0, 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({0: np.zeros((2, 3, 32))}, "queries must be"),
        ({0: np.zeros((1, 3, 64))}, "queries must be"),
        ({0: np.zeros((2, 6, 64))}, "more queries than keys"),
        ({2: np.zeros((2, 6, 64))}, "queries must be"),
        ({1: np.zeros((2, 5, 62)), 2: np.zeros((2, 5, 62))}, "a multiple of 16"),
        ({0: np.zeros((2, 0, 64)), 1: np.zeros((2, 0, 64)), 2: np.zeros((2, 0, 64))}, "1 to 131072 keys"),
        ({3: np.zeros((2, 7))}, "more tokens than the bias has positions"),
        ({3: np.zeros((2, 10))}, "the bias must be empty or"),
        ({3: np.zeros((1, 9))}, "the bias must be empty or"),
        ({3: np.zeros(18)}, "the bias must be empty or"),
        ({4: [64]}, "outside of its row"),
    ],
)
def test_inputs_that_do_not_fit_are_refused(change: dict[int, object], message: str) -> None:
    given: list[object] = [*inputs(Rule(), 2, 3, 5, 32), NO_BIAS, []]
    for place, value in change.items():
        given[place] = value
    with pytest.raises(Exception, match=message):
        run(session(OPERATOR, attributes=asdict(Rule())), OPERATOR, *given)

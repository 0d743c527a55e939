"""Graphs that were tampered with get an error or numbers of no use, and never memory that is not theirs.

Their shapes and numbers are such as no exporter writes. ``make test-sanitizers`` runs this with a library that ends the
process at the first access out of bounds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernels.test_product import numbers
from support.one_operator import INPUTS, on_each_set, run, session

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = on_each_set
ATTRIBUTES: dict[str, dict[str, float]] = {
    "AddNormQuantise": {"epsilon": 1e-12},
    "AttentionQuantise": {"num_heads": 2},
    "NormRows": {"epsilon": 1e-12},
    "UnitRows": {"epsilon": 1e-12},
    "AddThenNormQuantise": {"epsilon": 1e-12, "rms": 1},
    "RuleAttentionQuantise": {"num_heads": 2, "kv_heads": 2, "causal": 1, "window": 1, "scale": 0.25},
    "ProductGateQuantise": {"activation": 0, "gated": 1},
    "RotateHeads": {"num_heads": 2, "epsilon": 1e-6},
}
NOT_NUMBERS = [np.nan, np.inf, -np.inf, 3e38, -3e38, 1e-45]


def call(operator: str, inputs: Sequence[object]) -> list[Array]:
    return run(session(operator, attributes=ATTRIBUTES.get(operator, {})), operator, *inputs)


def fitting(operator: str) -> list[object]:
    """Inputs that an operator takes, of three rows."""
    x = np.ones((3, 32), np.float32)
    fitting: dict[str, list[object]] = {
        "QuantiseRows": [x, [1]],
        "AddNormQuantise": [x, x, x[0], x[0], [1]],
        "AttentionQuantise": [x[None], x[None], x[None], [1]],
        "QuantisedProduct": list(numbers(3, 32, 20)),
        "ProductGeluQuantise": [*numbers(3, 32, 20), [1]],
        "NormRows": [x, x[0], x[0]],
        "SumTokens": [x[None]],
        "UnitRows": [x],
        "AddThenNormQuantise": [x, x, x[0], x[0], [1]],
        "RuleAttentionQuantise": [x[None], x[None], x[None], np.zeros((2, 7)), [1]],
        "ProductGateQuantise": [*numbers(3, 32, 20), [1]],
        "RotateHeads": [x[None], np.ones((4, 8)), np.ones((4, 8)), np.ones(16)],
        "MultiplyColumn": [x[..., None], np.ones((5, 32))],
    }
    return fitting[operator]


def refusal(operator: str, inputs: Sequence[object]) -> str:
    try:
        call(operator, inputs)
    except Exception as error:  # noqa: BLE001 - onnxruntime's exceptions have no base class
        return str(error)
    return ""


SHAPES = [(), (0,), (1,), (33,), (0, 0), (2, 31), (1, 0, 32), (0, 2**40), (2, 0, 2**20), (1,) * 8, (1,) * 9]


@pytest.mark.parametrize(("operator", "place"), [(name, i) for name in INPUTS for i in range(len(INPUTS[name]))])
@pytest.mark.parametrize("shape", SHAPES)
def test_an_input_of_another_shape_is_refused_or_fits(operator: str, place: int, shape: tuple[int, ...]) -> None:
    inputs = fitting(operator)
    inputs[place] = np.zeros(shape)
    error = refusal(operator, inputs)
    assert not error or any(name in error for name in (*INPUTS, "embed_plugin"))


def test_no_texts_of_very_many_rows_need_no_memory() -> None:
    q, k = np.empty((0, 2**45, 64), np.float32), np.empty((0, 3, 64), np.float32)
    found, terms = call("AttentionQuantise", [q, k, k, []])
    assert (found.shape, terms.shape) == ((0, 2**45, 64), (0, 2**45, 2))


def test_a_depth_whose_weights_have_no_count_is_refused() -> None:
    """2 ** 60 groups of 64 weights are 0 in 64 bits, which is how many are given."""
    rows, terms, weights, *rest = numbers(1, 8, 16)
    with pytest.raises(Exception, match="a row must have 1 to 32768 values"):
        call("QuantisedProduct", [np.empty((0, 2**62), np.uint8), terms[:0], weights[:0], *rest])
    assert rows.size


def test_a_row_whose_sums_may_pass_32_bits_is_refused() -> None:
    zeros = np.zeros((1, 32772))
    with pytest.raises(Exception, match="a row must have 1 to 32768 values"):
        call(
            "QuantisedProduct", [zeros, [[1, 0]], np.zeros(32772 * 16), np.zeros(16), *np.zeros((2, 16)), np.zeros(16)]
        )


def test_the_largest_sums_are_exact() -> None:
    rows, weights = np.full((1, 32768), 255), np.full((1, 8192, 64), -128)
    nothing = np.zeros((1, 16))
    (y,) = call("QuantisedProduct", [rows, [[1, 0]], weights, nothing, np.ones(16), nothing, np.zeros(16)])
    assert (y == np.float32(-255 * 128 * 32768)).all()


@pytest.mark.parametrize("correction", [-(2**31), 2**31 - 1])
def test_a_correction_past_32_bits_wraps(correction: int) -> None:
    rows, terms, weights, _, *rest = numbers(3, 32, 20)
    call("QuantisedProduct", [rows, terms, weights, np.full(20, correction), *rest])


def test_kept_channels_may_come_again_and_in_any_order() -> None:
    x = np.arange(8, dtype=np.float32)[None]
    kept = [7, 0, 7, *range(8)] * 4
    _, terms = call("QuantiseRows", [x, kept])
    assert terms[0, 2:].tolist() == kept
    assert terms[0, 0] == np.float32(1e-30)  # no channel is left to have a range


@pytest.mark.parametrize("channel", [-1, 32, 2**31, 2**32, -(2**63), 2**63 - 1])
@pytest.mark.parametrize("operator", [name for name in INPUTS if "kept" in INPUTS[name]])
def test_a_kept_channel_outside_of_the_row_is_refused(operator: str, channel: int) -> None:
    with pytest.raises(Exception, match="outside of its row"):
        call(operator, [*fitting(operator)[:-1], [0, channel]])


def spoiled(shape: tuple[int, ...], seed: int) -> Array:
    """Numbers of which some are none, or as large or small as there are."""
    random = np.random.default_rng(seed)
    x = random.standard_normal(shape).astype(np.float32)
    return np.where(random.random(shape) < random.choice([0.02, 1]), random.choice(NOT_NUMBERS, shape), x)


@given(st.sampled_from(sorted(INPUTS)), st.integers(1, 40), st.sampled_from([32, 96, 512]), st.integers(0, 2**32))
def test_no_numbers_are_no_danger(operator: str, rows: int, width: int, seed: int) -> None:
    inputs = [np.asarray(x) for x in fitting(operator)]
    if operator in ("AttentionQuantise", "QuantiseRows"):
        inputs[:-1] = [np.ones((1, rows, width))] * (len(inputs) - 1)
    for place, kind in enumerate(INPUTS[operator].values()):
        if kind == "f":
            inputs[place] = spoiled(inputs[place].shape, seed + place)
    found = call(operator, inputs)
    assert all(len(x) == len(inputs[0]) for x in found)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_row_without_numbers_leaves_the_others_alone(value: float) -> None:
    x = np.random.default_rng(0).standard_normal((3, 50)).astype(np.float32)
    clean, clean_terms = call("QuantiseRows", [x, [3]])
    x[1] = value
    found, terms = call("QuantiseRows", [x, [3]])
    assert (found[[0, 2]] == clean[[0, 2]]).all()
    assert (terms[[0, 2]] == clean_terms[[0, 2]]).all()
    assert not np.isfinite(terms[1]).all()


def test_no_texts_of_very_many_tokens_turn_without_positions() -> None:
    tables = np.ones((4, 8)), np.ones((4, 8))
    (y,) = call("RotateHeads", [np.empty((0, 2**45, 32), np.float32), *tables, []])
    assert y.shape == (0, 2**45, 32)


BAD_ATTRIBUTES = [
    ("RuleAttentionQuantise", {"num_heads": 0}, "num_heads must be 1 to 1024"),
    ("RuleAttentionQuantise", {"kv_heads": 0}, "kv_heads must be 1 to 1024"),
    ("RuleAttentionQuantise", {"kv_heads": 3}, "a multiple of kv_heads"),
    ("RuleAttentionQuantise", {"causal": 2}, "causal must be 0 to 1"),
    ("RuleAttentionQuantise", {"window": -2}, "window must be -1 to 131072"),
    ("RuleAttentionQuantise", {"window": 2**62}, "window must be -1 to 131072"),
    ("RuleAttentionQuantise", {"scale": 0.0}, "scale must be positive"),
    ("RuleAttentionQuantise", {"scale": -1.0}, "scale must be positive"),
    ("RuleAttentionQuantise", {"scale": np.nan}, "scale must be positive"),
    ("RuleAttentionQuantise", {"scale": np.inf}, "scale must be positive"),
    ("ProductGateQuantise", {"activation": 4}, "activation must be 0 to 3"),
    ("ProductGateQuantise", {"activation": -1}, "activation must be 0 to 3"),
    ("ProductGateQuantise", {"gated": 2}, "gated must be 0 to 1"),
    ("RotateHeads", {"num_heads": -(2**63)}, "num_heads must be 1 to 1024"),
]


@pytest.mark.parametrize(("operator", "changed", "message"), BAD_ATTRIBUTES)
def test_an_attribute_out_of_bounds_is_refused(operator: str, changed: dict[str, float], message: str) -> None:
    with pytest.raises(Exception, match=message):
        session(operator, attributes=ATTRIBUTES[operator] | changed)


@pytest.mark.parametrize(("operator", "name"), sorted((each, name) for each in ATTRIBUTES for name in ATTRIBUTES[each]))
def test_an_attribute_must_be_there(operator: str, name: str) -> None:
    others = {key: value for key, value in ATTRIBUTES[operator].items() if key != name}
    if name == "rms":  # older graphs lack it
        assert session(operator, attributes=others)
        return
    with pytest.raises(Exception, match=name):
        session(operator, attributes=others)


@pytest.mark.parametrize("epsilon", [-1.0, np.nan, np.inf])
def test_an_epsilon_of_no_use(epsilon: float) -> None:
    made = session("AddNormQuantise", "epsilon", epsilon)
    y, *_ = run(made, "AddNormQuantise", *fitting("AddNormQuantise"))
    assert y.shape == (3, 32)

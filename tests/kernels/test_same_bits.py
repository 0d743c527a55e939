"""Every instruction set gives the bits of the reference, which is C alone, whatever the shapes and numbers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin import kernels
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE, LEAST
from kernels.test_product import numbers
from support.one_operator import INPUTS, needs_library, ranged, run, session

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]

pytestmark = needs_library
OTHERS = pytest.mark.parametrize("name", [name for name in kernels.here() if name != LEAST])


def results(name: str, operator: str, inputs: Sequence[object], attributes: Mapping[str, float]) -> list[Array]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INSTRUCTION_SET_VARIABLE, name)
        found = run(session(operator, attributes=attributes), operator, *inputs)
    kept: Any = inputs[-1] if "kept" in INPUTS[operator] else []
    return [ranged(x, kept) if x.dtype == np.uint8 else x for x in found]  # the bytes of kept channels are of no use


def assert_same(
    name: str,
    operator: str,
    inputs: Sequence[object],
    attributes: Mapping[str, float] = MappingProxyType({}),
) -> None:
    expected = results(LEAST, operator, inputs, attributes)
    for one, other in zip(expected, results(name, operator, inputs, attributes), strict=True):
        assert one.tobytes() == other.tobytes()


def drawn(seed: int, *shape: int) -> Array:
    """Numbers of many magnitudes."""
    random = np.random.default_rng(seed)
    return (random.standard_normal(shape) * 10 ** random.uniform(-3, 2, (*shape[:-1], 1))).astype(np.float32)


def kept_of(width: int) -> list[int]:
    return [channel for channel in (0, 17, width - 1) if 0 < channel < width]


@OTHERS
@given(st.integers(1, 9), st.integers(1, 200), st.integers(0, 2**32))
def test_rows(name: str, rows: int, width: int, seed: int) -> None:
    assert_same(name, "QuantiseRows", [drawn(seed, rows, width), kept_of(width)])


@OTHERS
@given(st.integers(1, 9), st.integers(1, 200), st.integers(0, 2**32))
def test_norms(name: str, rows: int, width: int, seed: int) -> None:
    a, b, gamma, beta = (drawn(seed + i, *shape) for i, shape in enumerate([(rows, width)] * 2 + [(width,)] * 2))
    assert_same(name, "AddNormQuantise", [a, b, gamma, beta, kept_of(width)], {"epsilon": 1e-12})
    assert_same(name, "NormRows", [a, gamma, beta], {"epsilon": 1e-12})


@OTHERS
@given(st.integers(1, 9), st.integers(1, 200), st.integers(0, 1), st.booleans(), st.integers(0, 2**32))
def test_norms_of_other_kinds(name: str, rows: int, width: int, rms: int, biased: bool, seed: int) -> None:  # noqa: FBT001 - a value that varies
    a, b, gamma, beta = (drawn(seed + i, *shape) for i, shape in enumerate([(rows, width)] * 2 + [(width,)] * 2))
    inputs: list[object] = [a, b, gamma, beta if biased else []]
    attributes = {"epsilon": 1e-6, "rms": rms}
    assert_same(name, "AddThenNormQuantise", [*inputs, kept_of(width)], attributes)
    assert_same(name, "AddNormQuantise", [*inputs, kept_of(width)], attributes)
    assert_same(name, "NormRows", [a, *inputs[2:]], attributes)


@OTHERS
@given(st.integers(1, 40), st.integers(1, 200), st.integers(1, 9), st.integers(0, 2**32))
def test_dense_layers(name: str, inputs: int, outputs: int, texts: int, seed: int) -> None:
    assert_same(name, "MultiplyColumn", [drawn(seed, texts, inputs, 1), drawn(seed + 1, outputs, inputs)])


@OTHERS
@given(st.integers(1, 20), st.sampled_from([2, 16, 48, 64, 96, 128]), st.booleans(), st.integers(0, 2**32))
def test_rotations(name: str, tokens: int, size: int, norm: bool, seed: int) -> None:  # noqa: FBT001 - a value that varies
    tables = [drawn(seed + i, tokens, size // 2) for i in (1, 2)]
    gamma: object = drawn(seed + 3, size) if norm else []
    attributes = {"num_heads": 3, "epsilon": 1e-6}
    assert_same(name, "RotateHeads", [drawn(seed, 2, tokens, 3 * size), *tables, gamma], attributes)


@OTHERS
@given(st.integers(1, 110), st.sampled_from([4, 63, 388]), st.sampled_from([2, 30, 34, 128]), st.integers(0, 3))
def test_gates(name: str, rows: int, depth: int, columns: int, activation: int) -> None:
    inputs = numbers(rows, depth, columns)
    for gated in (0, 1):
        kept = kept_of(columns // (1 + gated))
        assert_same(name, "ProductGateQuantise", [*inputs, kept], {"activation": activation, "gated": gated})


@OTHERS
@given(
    st.one_of(st.integers(1, 70), st.integers(120, 140), st.integers(250, 600)),
    st.sampled_from([16, 48, 64, 128]),
    st.tuples(st.integers(0, 1), st.sampled_from([-1, 0, 1, 30, 64, 128]), st.integers(1, 3), st.booleans()),
    st.integers(0, 2**32),
)
def test_attention_by_rule(name: str, keys: int, size: int, rule: tuple[int, int, int, bool], seed: int) -> None:
    causal, window, group, biased = rule
    rows = int(np.random.default_rng(seed).integers(1, keys + 1))
    q, k, v = (
        drawn(seed + i, 2, length, heads * size)
        for i, (length, heads) in enumerate([(rows, 2 * group)] + [(keys, 2)] * 2)
    )
    bias = drawn(seed + 3, 2 * group, 2 * keys + 5) if biased else np.zeros((0, 0))
    attributes = {"num_heads": 2 * group, "kv_heads": 2, "causal": causal, "window": window, "scale": 0.2}
    assert_same(name, "RuleAttentionQuantise", [q, k, v, bias, kept_of(2 * group * size)], attributes)


@OTHERS
@given(st.integers(1, 40), st.integers(1, 200), st.integers(0, 2**32))
def test_vectors_of_texts(name: str, tokens: int, width: int, seed: int) -> None:
    assert_same(name, "SumTokens", [drawn(seed, 3, tokens, width)])
    assert_same(name, "UnitRows", [drawn(seed, 3, width)], {"epsilon": 1e-12})


@OTHERS
@given(
    st.integers(1, 110),
    st.sampled_from([1, 3, 4, 60, 62, 63, 64, 65, 128, 388, 1540]),
    st.sampled_from([1, 15, 16, 17, 32, 33, 48, 64, 130, 384]),
)
def test_products(name: str, rows: int, depth: int, columns: int) -> None:
    inputs = numbers(rows, depth, columns)
    assert_same(name, "QuantisedProduct", inputs)
    assert_same(name, "ProductGeluQuantise", [*inputs, kept_of(columns)])


@OTHERS
def test_more_rows_than_are_activated_together(name: str) -> None:
    assert_same(name, "ProductGeluQuantise", [*numbers(301, 8, 1536), [5]])


@OTHERS
@given(
    st.integers(1, 20),
    st.one_of(st.integers(1, 70), st.integers(120, 140), st.integers(250, 600)),
    st.sampled_from([16, 32, 48, 64, 80, 128, 256]),
    st.integers(0, 2**32),
)
def test_attention(name: str, rows: int, keys: int, size: int, seed: int) -> None:
    q, k, v = (drawn(seed + i, 2, length, 2 * size) for i, length in enumerate((rows, keys, keys)))
    assert_same(name, "AttentionQuantise", [q, k, v, kept_of(2 * size)], {"num_heads": 2})


@OTHERS
@pytest.mark.parametrize("value", [0.0, 1e-38, 1e-20, 1e18])
def test_tiny_and_huge_numbers(name: str, value: float) -> None:
    x = np.full((1, 3, 64), value, np.float32) * np.array([[[1], [-1], [0]]], np.float32)
    assert_same(name, "QuantiseRows", [x, []])
    assert_same(name, "AttentionQuantise", [x, x, x, []], {"num_heads": 2})

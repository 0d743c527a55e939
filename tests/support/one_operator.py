"""Sessions of one operator, and the same arithmetic in float64."""

from __future__ import annotations

import math
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
from onnx import TensorProto, helper

from embed_plugin.encode.session import open_session
from embed_plugin.kernels import DOMAIN, LIBRARY

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt
    import onnxruntime

    Array = npt.NDArray[Any]

needs_library = pytest.mark.skipif(not LIBRARY.is_file(), reason="the kernels were not built")
on_each_set = [needs_library, pytest.mark.usefixtures("instruction_set")]
CENTRE = 128
SMALLEST_SCALE = 1e-30
PRODUCT = {
    "rows": "b",
    "terms": "f",
    "weights": "s",
    "correction": "n",
    "multiplier": "f",
    "term_weights": "f",
    "bias": "f",
}
INPUTS = {
    "QuantiseRows": {"x": "f", "kept": "i"},
    "QuantisedProduct": PRODUCT,
    "ProductGeluQuantise": {**PRODUCT, "kept": "i"},
    "AddNormQuantise": {"a": "f", "b": "f", "gamma": "f", "beta": "f", "kept": "i"},
    "AttentionQuantise": {"q": "f", "k": "f", "v": "f", "kept": "i"},
    "NormRows": {"x": "f", "gamma": "f", "beta": "f"},
    "SumTokens": {"x": "f"},
    "UnitRows": {"x": "f"},
    "AddThenNormQuantise": {"a": "f", "b": "f", "gamma": "f", "beta": "f", "kept": "i"},
    "RuleAttentionQuantise": {"q": "f", "k": "f", "v": "f", "bias": "f", "kept": "i"},
    "ProductGateQuantise": {**PRODUCT, "kept": "i"},
    "RotateHeads": {"x": "f", "cosines": "f", "sines": "f", "gamma": "f"},
    "MultiplyColumn": {"x": "f", "weight": "f"},
}
OUTPUTS = {
    "QuantiseRows": {"u": "b", "t": "f"},
    "QuantisedProduct": {"y": "f"},
    "ProductGeluQuantise": {"u": "b", "t": "f"},
    "AddNormQuantise": {"y": "f", "u": "b", "t": "f"},
    "AttentionQuantise": {"u": "b", "t": "f"},
    "NormRows": {"y": "f"},
    "SumTokens": {"y": "f"},
    "UnitRows": {"y": "f"},
    "AddThenNormQuantise": {"sum": "f", "u": "b", "t": "f"},
    "RuleAttentionQuantise": {"u": "b", "t": "f"},
    "ProductGateQuantise": {"u": "b", "t": "f"},
    "RotateHeads": {"y": "f"},
    "MultiplyColumn": {"y": "f"},
}
TYPES = {
    "f": (TensorProto.FLOAT, np.float32),
    "b": (TensorProto.UINT8, np.uint8),
    "s": (TensorProto.INT8, np.int8),
    "n": (TensorProto.INT32, np.int32),
    "i": (TensorProto.INT64, np.int64),
}


def session(  # noqa: PLR0913 - one of them a test
    operator: str,
    attribute: str | None = None,
    value: float = 0,
    *,
    library: Path = LIBRARY,
    threads: int = 1,
    options: Mapping[str, object] | None = None,
    attributes: Mapping[str, float] = MappingProxyType({}),
) -> onnxruntime.InferenceSession:
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TYPES[kind][0], None) for name, kind in table[operator].items()]
        for table in (INPUTS, OUTPUTS)
    )
    node = helper.make_node(operator, list(INPUTS[operator]), list(OUTPUTS[operator]), domain=DOMAIN)
    for name, number in ({attribute: value} if attribute else attributes).items():
        node.attribute.append(helper.make_attribute(name, number))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(helper.make_graph([node], "one", inputs, outputs), opset_imports=opsets, ir_version=10)
    chosen = {"log_severity_level": 4, **(options or {})}
    return open_session(model.SerializeToString(), library=library, threads=threads, options=chosen)


def run(session: onnxruntime.InferenceSession, operator: str, *inputs: object) -> list[Array]:
    kinds = INPUTS[operator]
    given = {name: np.asarray(x, TYPES[kind][1]) for (name, kind), x in zip(kinds.items(), inputs, strict=True)}
    found: list[Array] = session.run(None, given)
    return found


def gelu(x: Array) -> Array:
    x = x.astype(np.float64)
    found: Array = x / 2 * (1 + np.vectorize(math.erf, otypes=[np.float64])(x / np.sqrt(2)))
    return found


def layer_norm(x: Array, gamma: Array, beta: Array, epsilon: float) -> Array:
    x = x.astype(np.float64)
    centred = x - x.mean(-1, keepdims=True)
    found: Array = centred / np.sqrt((centred**2).mean(-1, keepdims=True) + epsilon) * gamma + beta
    return found


def attention(values: list[Array], heads: int) -> Array:
    q, k, v = (x.astype(np.float64).reshape(*x.shape[:2], heads, -1).swapaxes(1, 2) for x in values)
    scores = q @ k.swapaxes(2, 3) / np.sqrt(q.shape[-1])
    shares = np.exp(scores - scores.max(-1, keepdims=True))
    out: Array = shares / shares.sum(-1, keepdims=True) @ v
    return out.swapaxes(1, 2).reshape(out.shape[0], out.shape[2], -1)


def rms_norm(x: Array, gamma: Array, epsilon: float) -> Array:
    x = x.astype(np.float64)
    found: Array = x / np.sqrt((x**2).mean(-1, keepdims=True) + epsilon) * gamma
    return found


class Rows(NamedTuple):
    """Quantised rows: uint8, and float32 scale, middle and kept values of each."""

    bytes: Array
    terms: Array


def ranged(x: Array, kept: Sequence[int]) -> Array:
    """The values that a row's range is of: the kept are 0."""
    x = np.array(x)
    x[..., list(kept)] = 0
    return x


def quantise(x: Array, kept: Sequence[int] = ()) -> Rows:
    """Quantise rows in float32, step by step as the kernels do; the bytes of kept channels are of no use."""
    x = np.asarray(x, np.float32)
    counted = ranged(x, kept)
    least, most = np.minimum(counted.min(-1), 0), np.maximum(counted.max(-1), 0)
    scale = np.maximum((most - least) / np.float32(255), np.float32(SMALLEST_SCALE))
    inverse = np.float32(1) / scale
    zero = np.rint(-least * inverse)
    steps = np.minimum(np.rint(counted * inverse[..., None]) + zero[..., None], 255)
    terms = [scale[..., None], (scale * (CENTRE - zero))[..., None], x[..., list(kept)]]
    return Rows(steps.astype(np.uint8), np.concatenate(terms, -1))


def dequantise(rows: Rows) -> Array:
    """The values that quantised rows stand for, in float64; those of kept channels are of no use."""
    scale, middle = (rows.terms[..., i, None].astype(np.float64) for i in (0, 1))
    found: Array = (rows.bytes.astype(np.float64) - CENTRE) * scale + middle
    return found


def assert_quantised(found: Rows, x: Array, error: float, kept: Sequence[int] = ()) -> None:
    """Each row stands for values within half a step and ``error`` of x, with a scale no wider than needed."""
    assert found.bytes.dtype == np.uint8
    assert found.bytes.shape == x.shape
    assert found.terms.shape == (*x.shape[:-1], 2 + len(kept))
    np.testing.assert_allclose(found.terms[..., 2:], x[..., list(kept)], atol=error)
    counted = ranged(x.astype(np.float64), kept)
    scale = found.terms[..., 0].astype(np.float64)
    width = np.maximum(counted.max(-1), 0) - np.minimum(counted.min(-1), 0)
    np.testing.assert_allclose(scale, width / 255, rtol=1e-6, atol=2 * error / 255 + 2 * SMALLEST_SCALE)
    off = np.abs(ranged(dequantise(found), kept) - counted)
    assert (off <= scale[..., None] * (0.5 + 1e-4) + error).all()

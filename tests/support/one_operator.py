"""Sessions of one operator, and the same arithmetic in float64."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from embed_plugin.cpu import detect_class
from embed_plugin.encode.session import open_session
from embed_plugin.kernels import DOMAIN, LIBRARY, choose

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt
    import onnxruntime

    Array = npt.NDArray[Any]

needs_library = pytest.mark.skipif(
    choose(detect_class()).library is None, reason="the kernels were not built, or not for this CPU"
)

PRODUCT = {"rows": "b", "weights": "s", "correction": "n", "multiplier": "f", "bias": "f"}
INPUTS = {
    "QuantisedProduct": PRODUCT,
    "ProductGeluQuantise": {**PRODUCT, "scale": "f", "zero": "b"},
    "AddNormQuantise": {
        "a": "f",
        "b": "f",
        "gamma": "f",
        "beta": "f",
        "scale": "f",
        "zero": "b",
        "channels": "i",
        "offsets": "f",
    },
    "AttentionQuantise": {"q": "f", "k": "f", "v": "f", "scale": "f", "zero": "b", "channels": "i", "offsets": "f"},
}
OUTPUTS = {
    "QuantisedProduct": {"y": "f"},
    "ProductGeluQuantise": {"u": "b"},
    "AddNormQuantise": {"y": "f", "u": "b"},
    "AttentionQuantise": {"u": "b"},
}
TYPES = {
    "f": (TensorProto.FLOAT, np.float32),
    "b": (TensorProto.UINT8, np.uint8),
    "s": (TensorProto.INT8, np.int8),
    "n": (TensorProto.INT32, np.int32),
    "i": (TensorProto.INT64, np.int64),
}


def session(
    operator: str, attribute: str | None = None, value: float = 0, *, library: Path = LIBRARY
) -> onnxruntime.InferenceSession:
    inputs, outputs = (
        [helper.make_tensor_value_info(name, TYPES[kind][0], None) for name, kind in table[operator].items()]
        for table in (INPUTS, OUTPUTS)
    )
    node = helper.make_node(operator, list(INPUTS[operator]), list(OUTPUTS[operator]), domain=DOMAIN)
    if attribute:
        node.attribute.append(helper.make_attribute(attribute, value))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(DOMAIN, 1)]
    model = helper.make_model(helper.make_graph([node], "one", inputs, outputs), opset_imports=opsets, ir_version=10)
    return open_session(model.SerializeToString(), library=library, options={"log_severity_level": 4})


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


def with_copies(x: Array, channels: Array, offsets: Array) -> Array:
    """The row and, behind it, the copies."""
    return np.concatenate([x, x[..., channels] - offsets], -1)


def quantise(x: Array, scale: float, zero: int) -> Array:
    found: Array = np.clip(np.rint(x / np.float64(np.float32(scale))) + zero, 0, 255).astype(np.uint8)
    return found


def assert_quantised(found: Array, x: Array, scale: float, zero: int, error: float) -> None:
    """Each byte is that of some value no further from x than ``error``."""
    low, high = quantise(x - error, scale, zero), quantise(x + error, scale, zero)
    assert found.dtype == np.uint8
    assert found.shape == x.shape
    assert ((found >= low) & (found <= high)).all()

"""Run an fp32 graph in float64, node by node, each for all texts at once.

Weights are rounded by what the activations look like, and a weight that is rounded otherwise makes another model. fp32
differs between classes of CPU in the seventh digit, which would change some weights of any model; float64 differs in
the fifteenth, which hardly ever does. A value is dropped when its last reader has run, so memory holds what a few
values of all texts need.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from embed_plugin.errors import ExportError
from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import attribute, values_read
from embed_plugin.export.onnx_graph.file import tensor_values

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import numpy.typing as npt

    Array = npt.NDArray[Any]
    Values = Mapping[str, Array]
    Step = Callable[[Values], dict[str, Array]]


def run_in_float64(
    model: onnx.ModelProto, wanted: Collection[str], inputs: Sequence[npt.NDArray[np.int64]]
) -> Iterator[tuple[str, list[Array]]]:
    """Yield each of the wanted values when it is known, with one array for each text.

    Args:
        model: The graph, its weights inside or mapped.
        wanted: Names of values.
        inputs: Token ids ``(1, length)`` of each text.

    Raises:
        ExportError: an operator cannot be run in float64.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    texts: list[dict[str, Array]] = [{INPUT: ids} for ids in inputs]
    unread = Counter(name for node in model.graph.node for name in values_read(node))
    missing = set(wanted)
    for node in model.graph.node:
        fixed = {name: tensor_values(constants[name]) for name in values_read(node) if name in constants}
        if node.op_type != "Gather":  # a table of 250,000 words would take gigabytes
            fixed = {name: _widened(value) for name, value in fixed.items()}
        try:
            with np.errstate(all="ignore"):  # a logarithm of 0 is as good here as it is in fp32
                _run_all(texts, node, fixed, model.opset_import)
        except Exception as error:
            problem = f"operator {node.op_type} ({node.name}) cannot be run in float64, by which INT8 rounds weights"
            raise ExportError(f"{problem} ({error}): use --precision fp32") from error
        for name in missing.intersection(node.output):
            yield name, [values[name] for values in texts]
        missing.difference_update(node.output)
        if not missing:
            return
        unread.subtract(values_read(node))
        dropped = [name for name in (*values_read(node), *node.output) if not unread[name]]
        for values in texts:
            for name in dropped:
                values.pop(name, None)


def _widened(value: Array) -> Array:
    return value.astype(np.float64) if value.dtype == np.float32 else value


def _run_all(
    texts: Sequence[dict[str, Array]], node: onnx.NodeProto, fixed: Values, opsets: Sequence[onnx.OperatorSetIdProto]
) -> None:
    """Add a node's outputs to the values of each text; ``fixed`` has the constants that it reads."""
    if node.op_type == "MatMul" and node.input[1] in fixed and node.input[0] not in fixed:
        _multiply_all(texts, node, fixed[node.input[1]])
        return
    step = _step(node, opsets)
    for values in texts:
        values.update({name: _widened(value) for name, value in step({**values, **fixed}).items()})


def _multiply_all(texts: Sequence[dict[str, Array]], node: onnx.NodeProto, weight: Array) -> None:
    """Multiply the rows of all texts with a weight at once, which is many times faster than text by text."""
    values = [text[node.input[0]] for text in texts]
    rows = np.concatenate([value.reshape(-1, value.shape[-1]) for value in values]) @ weight
    ends = np.cumsum([value[..., 0].size for value in values])[:-1]
    for text, value, part in zip(texts, values, np.split(rows, ends), strict=True):
        text[node.output[0]] = part.reshape(*value.shape[:-1], weight.shape[1])


def _step(node: onnx.NodeProto, opsets: Sequence[onnx.OperatorSetIdProto]) -> Step:
    """Return a function from the values that a node reads to those that it gives."""
    if node.op_type == "If":
        return _choice(node, opsets)
    own = _OPERATORS.get(node.op_type)
    if own is not None:
        return lambda values: {node.output[0]: own(node, *(values[name] for name in node.input if name))}
    names = list(dict.fromkeys(name for name in node.input if name))
    given = [onnx.ValueInfoProto(name=name) for name in names]
    outputs = [onnx.ValueInfoProto(name=name) for name in node.output if name]
    graph = helper.make_graph([node], "one", given, outputs)
    evaluator = ReferenceEvaluator(helper.make_model(graph, opset_imports=opsets))
    return lambda values: dict(
        zip((each.name for each in outputs), evaluator.run(None, {name: values[name] for name in names}), strict=True)
    )


def _choice(node: onnx.NodeProto, opsets: Sequence[onnx.OperatorSetIdProto]) -> Step:
    """An If, whose inner graphs read the values outside."""
    graphs = {True: attribute(node, "then_branch"), False: attribute(node, "else_branch")}
    steps = {name: [_step(inner, opsets) for inner in graph.node] for name, graph in graphs.items()}

    def run(values: Values) -> dict[str, Array]:
        chosen = bool(values[node.input[0]])
        inside = dict(values)
        for step in steps[chosen]:
            inside.update(step(inside))
        return {name: inside[given.name] for name, given in zip(node.output, graphs[chosen].output, strict=True)}

    return run


def _erf(x: Array) -> Array:
    """To 2e-7: Abramowitz and Stegun, "Handbook of Mathematical Functions", 7.1.26. numpy has none."""
    t = 1 / (1 + 0.3275911 * np.abs(x))
    series = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return np.asarray(np.copysign(1 - series * np.exp(-x * x), x))


def _gelu(node: onnx.NodeProto, x: Array) -> Array:
    if attribute(node, "approximate", b"none") == b"tanh":
        return np.asarray(x / 2 * (1 + np.tanh(np.sqrt(2 / np.pi) * (x + 0.044715 * x**3))))
    return np.asarray(x / 2 * (1 + _erf(x / np.sqrt(2))))


def _by_head(x: Array, heads: int) -> Array:
    """``(n, length, heads * d)`` to ``(n, heads, length, d)``."""
    return np.swapaxes(x.reshape(*x.shape[:2], heads, -1), 1, 2)


def _attention(node: onnx.NodeProto, query: Array, key: Array, value: Array, mask: Array | None = None) -> Array:
    """``softmax(scale * q k^T + mask) v`` of ``(n, length, heads * d)``."""
    heads = attribute(node, "num_heads") or attribute(node, "q_num_heads")
    kv_heads = attribute(node, "kv_num_heads") or heads
    q, k, v = (
        np.swapaxes(x.reshape(*x.shape[:2], of, -1), 1, 2)
        for x, of in ((query, heads), (key, kv_heads), (value, kv_heads))
    )
    k, v = (np.repeat(x, heads // kv_heads, axis=1) for x in (k, v))
    scores = q @ np.swapaxes(k, 2, 3) * (attribute(node, "scale") or 1 / np.sqrt(q.shape[-1]))
    if attribute(node, "is_causal", 0):
        scores = np.where(np.tri(*scores.shape[2:]) > 0, scores, -np.inf)
    if mask is not None:
        scores = np.where(mask, scores, -np.inf) if mask.dtype == bool else scores + mask
    shares = np.exp(scores - scores.max(axis=-1, keepdims=True))
    mixed = shares @ v / shares.sum(axis=-1, keepdims=True)
    return np.asarray(np.swapaxes(mixed, 1, 2).reshape(*query.shape[:2], -1))


def _rotate(node: onnx.NodeProto, x: Array, positions: Array, cosines: Array, sines: Array) -> Array:
    """Rotate the two halves of each head against each other, ``(n, length, heads * d)``."""
    size = 2 * cosines.shape[1]
    if positions.size == 1:  # the position of the first token
        positions = positions.item() + np.arange(x.shape[1])[None]
    first, second = np.split(x.reshape(*x.shape[:2], -1, size), 2, axis=-1)
    cosine, sine = (table[positions][..., None, :] for table in (cosines, sines))
    turned = np.concatenate([first * cosine - second * sine, first * sine + second * cosine], axis=-1)
    if attribute(node, "interleaved", 0) or attribute(node, "rotary_embedding_dim", 0) not in {0, size}:
        raise NotImplementedError("only whole heads are rotated, half by half")
    return np.asarray(turned.reshape(x.shape))


def _rms_norm(node: onnx.NodeProto, x: Array, scale: Array) -> Array:
    if attribute(node, "axis", -1) != -1:
        raise NotImplementedError("only the last axis is normalised")
    return np.asarray(x / np.sqrt((x * x).mean(axis=-1, keepdims=True) + attribute(node, "epsilon", 1e-5)) * scale)


def _gather(node: onnx.NodeProto, data: Array, indices: Array) -> Array:
    """Rows of a table or a value; that of onnx 1.18 has no channels where there are no rows."""
    return np.asarray(np.take(data, indices, axis=attribute(node, "axis", 0)))


def _gather_elements(node: onnx.NodeProto, data: Array, indices: Array) -> Array:
    axis = attribute(node, "axis", 0) % data.ndim
    part = tuple(slice(None if i == axis else size) for i, size in enumerate(indices.shape))
    return np.take_along_axis(data[part], indices, axis)


def _scatter_nd(node: onnx.NodeProto, data: Array, indices: Array, updates: Array) -> Array:
    """``data`` with rows added: onnx's own goes through them one by one."""
    if attribute(node, "reduction", b"none") != b"add" or indices.shape[-1] != 1:
        raise NotImplementedError("only whole rows are added")
    summed = data.copy()
    np.add.at(summed, indices[..., 0], updates)
    return summed


_OPERATORS: dict[str, Callable[..., Array]] = {
    "MatMul": lambda _, a, b: a @ b,
    "Erf": lambda _, x: _erf(x),
    "Gelu": _gelu,
    "Gather": _gather,
    "GatherElements": _gather_elements,
    "Attention": _attention,
    "MultiHeadAttention": _attention,
    "RMSNormalization": _rms_norm,
    "RotaryEmbedding": _rotate,
    "ScatterND": _scatter_nd,
}
"""Operators that onnx's own evaluator does not have, refuses for some shapes, or computes value by value in Python."""

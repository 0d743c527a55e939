"""Ways to quantise that the library does not use, for `int8_choices.py` to compare it with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.calibrate import ChannelRange, Ranges
from embed_plugin.export.int8.quantise import quantise_rows, quantised_activations

# After embed_plugin, which switches its telemetry off.
# isort: split
from onnxruntime.quantization.calibrate import CalibrationDataReader, CalibrationMethod, create_calibrator

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    Inputs = Sequence[npt.NDArray[np.int64]]

FLAT_METHODS = ("percentile 99.99", "percentile 99.999", "entropy", "MSE")
"""Ways to choose one range for all channels other than their smallest and largest value."""


def flat(ranges: Ranges) -> Ranges:
    """The same ranges without a view of the channels: each activation's smallest and largest value."""
    return {name: _flat(each.low.min(), each.high.max(), each) for name, each in ranges.items()}


def _flat(low: float, high: float, like: ChannelRange) -> ChannelRange:
    return ChannelRange(np.full_like(like.low, low), np.full_like(like.high, high), like.power)


class _Reader(CalibrationDataReader):  # type: ignore[misc]  # onnxruntime has no types
    def __init__(self, inputs: Inputs) -> None:
        self.left = iter(inputs)

    def get_next(self) -> dict[str, npt.NDArray[np.int64]] | None:
        ids = next(self.left, None)
        return None if ids is None else {"input_ids": ids}


def ranges_by(method: str, graph: Path, inputs: Inputs, like: Ranges) -> Ranges:
    """One range for all channels of an activation, by one of ``FLAT_METHODS``."""
    if method == "entropy":
        ends = _entropy(graph, inputs)
    elif method == "MSE":
        ends = {name: _least_squares(values) for name, values in _values(graph, inputs).items()}
    else:
        top = float(method.split()[1])
        parts = [100 - top, top]
        ends = {name: np.percentile(values, parts).tolist() for name, values in _values(graph, inputs).items()}
    return {name: _flat(ends[name][0], ends[name][1], each) for name, each in like.items()}


def _entropy(graph: Path, inputs: Inputs) -> dict[str, Sequence[float]]:
    """Onnxruntime's own: the range whose histogram is nearest to the whole one in Kullback-Leibler divergence."""
    typed = onnx.load(graph)
    names = quantised_activations(typed)
    typed.graph.value_info.extend(helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names)
    onnx.save(typed, graph.with_name("typed.onnx"))
    augmented = str(graph.with_name("augmented.onnx"))
    calibrator = create_calibrator(graph.with_name("typed.onnx"), ["MatMul"], augmented, CalibrationMethod.Entropy)
    for ids in inputs:  # one by one: it stacks what it reads, and texts have different lengths
        calibrator.collect_data(_Reader([ids]))
    found = calibrator.compute_data()
    return {name: [float(np.asarray(end).item()) for end in found[name].range_value] for name in names}


def _least_squares(values: npt.NDArray[np.float32]) -> Sequence[float]:
    """The part of the min-max range whose rounding and clipping have the least squared error together."""
    low, high = float(values.min()), float(values.max())
    parts = np.linspace(0.1, 1, 46)
    best = parts[int(np.argmin([_squared_error(values, low * part, high * part) for part in parts]))]
    return low * best, high * best


def _squared_error(values: npt.NDArray[np.float32], low: float, high: float) -> float:
    scale = (high - low) / 255
    rounded = np.clip(np.rint((values - low) / scale), 0, 255) * scale + low
    return float(np.mean((rounded - values) ** 2))


def _values(graph: Path, inputs: Inputs) -> dict[str, npt.NDArray[np.float32]]:
    """All values of each quantised activation on the inputs, flat."""
    model = onnx.load(graph)
    names = quantised_activations(model)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = open_session(model.SerializeToString())
    runs = [session.run(names, {"input_ids": ids}) for ids in inputs]
    return {name: np.concatenate([run[i].ravel() for run in runs]) for i, name in enumerate(names)}


def smoothed(model: onnx.ModelProto, ranges: Ranges, exponent: float) -> onnx.ModelProto:
    """Scale every activation's channels into the weights that read it (SmoothQuant, Xiao et al. 2022).

    A Mul before each quantised activation does it, so that the residual branches keep their values.
    """
    model = onnx.ModelProto.FromString(model.SerializeToString())
    tensors = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    scales: dict[str, npt.NDArray[np.float32]] = {}
    for node in model.graph.node:
        value = node.input[0]
        if node.op_type == "MatMul" and value in ranges:
            if value not in scales:
                weights = [
                    numpy_helper.to_array(tensors[other.input[1]])
                    for other in model.graph.node
                    if other.op_type == "MatMul" and other.input[0] == value
                ]
                scales[value] = _smoothing(ranges[value], np.concatenate(weights, axis=1), exponent)
                model.graph.initializer.append(numpy_helper.from_array(1 / scales[value], f"{value}.smoothing"))
                nodes.append(helper.make_node("Mul", [value, f"{value}.smoothing"], [f"{value}.smooth"]))
            weight = tensors[node.input[1]]
            weight.CopyFrom(
                numpy_helper.from_array(numpy_helper.to_array(weight) * scales[value][:, None], weight.name)
            )
            node.input[0] = f"{value}.smooth"
        nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    return model


def _smoothing(activation: ChannelRange, weight: npt.NDArray[np.float32], exponent: float) -> npt.NDArray[np.float32]:
    """``max|x| ** exponent / max|w| ** (1 - exponent)`` of each channel."""
    largest = np.maximum(np.maximum(-activation.low, activation.high), 1e-5)
    return np.asarray(largest**exponent / np.abs(weight).max(axis=1) ** (1 - exponent), dtype=np.float32)


def with_hidden_words(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same graph with its word embeddings where quantising does not look for them."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    looked_up = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    tables = [tensor for tensor in model.graph.initializer if tensor.name in looked_up]
    constants = [helper.make_node("Constant", [], [table.name], value=table) for table in tables]
    kept = [tensor for tensor in model.graph.initializer if tensor.name not in looked_up]
    nodes = [*constants, *model.graph.node]
    del model.graph.node[:], model.graph.initializer[:]
    model.graph.node.extend(nodes)
    model.graph.initializer.extend(kept)
    return model


def with_int8_weights(model: onnx.ModelProto) -> onnx.ModelProto:
    """The fp32 graph with weights and word embeddings rounded as the INT8 graph's are."""
    model = onnx.ModelProto.FromString(model.SerializeToString())
    products = {node.input[1] for node in model.graph.node if node.op_type == "MatMul"}
    tables = {node.input[0] for node in model.graph.node if node.op_type == "Gather"}
    for tensor in model.graph.initializer:
        if tensor.name in products | tables:
            rows = numpy_helper.to_array(tensor)
            rounded, scales = quantise_rows(rows.T if tensor.name in products else rows)
            values = rounded * scales[:, None]
            values = values.T if tensor.name in products else values
            tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(values), tensor.name))
    return model

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.calibrate import ChannelRange
from embed_plugin.export.int8.quantise import quantise, quantised_activations
from embed_plugin.export.onnx_graph.builder import GraphBuilder

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float32]

WIDTH, HIDDEN = 16, 32


def feed_forward(*, outlier: int | None = None) -> onnx.ModelProto:
    """Ids to vectors: look up, widen, GELU, narrow. The outlier's channel is 30 times the others'."""
    rng = np.random.default_rng(5)
    table = rng.standard_normal((50, WIDTH)).astype(np.float32)
    widen, narrow = (
        rng.standard_normal(shape).astype(np.float32) * 0.3 for shape in ((HIDDEN, WIDTH), (WIDTH, HIDDEN))
    )
    bias = np.zeros(HIDDEN, np.float32)
    if outlier is not None:
        table[:10, outlier] += 60
        widen[:, outlier] *= 0.05
        bias[3] = 40
    graph = GraphBuilder()
    looked_up = graph.node("Gather", "looked_up", graph.weight("table", table), "input_ids")
    summed = graph.node("ReduceSum", "pooled", looked_up, graph.weight("axis", [1], np.int64), keepdims=0)
    widened = graph.node("Gelu", "activation", graph.linear("widened", summed, widen, bias))
    graph.linear("embedding", widened, narrow, np.zeros(WIDTH, np.float32))
    return graph.model(WIDTH)


def run(model: onnx.ModelProto, output: str = "embedding", rows: range = range(50)) -> Floats:
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    if output != "embedding":
        watched.graph.output.append(onnx.ValueInfoProto(name=output))
    session = open_session(watched.SerializeToString())
    return np.asarray(session.run([output], {"input_ids": np.array([[row] for row in rows])})[0])


def ranges_of(model: onnx.ModelProto) -> dict[str, ChannelRange]:
    values = {name: run(model, name) for name in quantised_activations(model)}
    return {name: ChannelRange(value.min(axis=0), value.max(axis=0), power=0.1) for name, value in values.items()}


def one_range_for_all(ranges: dict[str, ChannelRange]) -> dict[str, ChannelRange]:
    """The same without a view of the channels: min-max of the whole."""
    return {
        name: ChannelRange(np.full_like(each.low, each.low.min()), np.full_like(each.high, each.high.max()), each.power)
        for name, each in ranges.items()
    }


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def error(model: onnx.ModelProto, exact: onnx.ModelProto) -> float:
    return float(np.sqrt(np.mean((run(model) - run(exact)) ** 2)))


@pytest.mark.parametrize("outlier", [None, 6])
def test_int8_is_near_fp32(outlier: int | None) -> None:
    model = feed_forward(outlier=outlier)
    onnx.checker.check_model(quantise(model, ranges_of(model)))
    assert error(quantise(model, ranges_of(model)), model) < 0.02 * float(run(model).std())


def test_outlier_channels_are_copied_and_the_error_falls() -> None:
    model = feed_forward(outlier=6)
    ranges = ranges_of(model)
    copied, plain = quantise(model, ranges), quantise(model, one_range_for_all(ranges))
    assert "Concat" in operators(copied)
    assert "Concat" not in operators(plain)
    assert error(copied, model) < 0.75 * error(plain, model)


def test_copies_behind_an_activation_cost_no_operator() -> None:
    model = feed_forward(outlier=6)
    ranges = one_range_for_all(ranges_of(model))
    ranges["activation"] = ranges_of(model)["activation"]
    copied = quantise(model, ranges)
    assert "Concat" not in operators(copied)
    assert run(copied, "activation").shape[1] > HIDDEN
    assert error(copied, model) < error(quantise(model, one_range_for_all(ranges)), model)


def test_an_activation_that_something_else_reads_keeps_its_width() -> None:
    model = feed_forward(outlier=6)
    model.graph.node.append(onnx.helper.make_node("Identity", ["activation"], ["also_read"]))
    copied = quantise(model, {"activation": ranges_of(model)["activation"]})
    assert run(copied, "activation").shape[1] == HIDDEN
    assert "Concat" in operators(copied)
    assert error(copied, model) < 0.02 * float(run(model).std())


def test_a_product_without_a_range_stays_fp32() -> None:
    model = feed_forward()
    ranges = ranges_of(model)
    del ranges["activation"]
    assert operators(quantise(model, ranges)).count("MatMul") == 1
    assert operators(quantise(model, ranges)).count("MatMulIntegerToFloat") == 1


def test_without_ranges_every_run_finds_its_own() -> None:
    model = feed_forward()
    dynamic = quantise(model, None)
    assert operators(dynamic).count("DynamicQuantizeLinear") == 2
    assert error(dynamic, model) < 0.02 * float(run(model).std())


def test_no_weight_is_kept_twice() -> None:
    model = feed_forward(outlier=6)
    quantised = quantise(model, ranges_of(model))
    used: set[Any] = {name for node in quantised.graph.node for name in node.input}
    assert {tensor.name for tensor in quantised.graph.initializer} <= used

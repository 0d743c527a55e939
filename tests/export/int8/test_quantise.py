from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.calibrate import calibrate
from embed_plugin.export.int8.quantise import Quantisation, quantise, weight_products
from embed_plugin.export.int8.weights import Activation, quantise_weights
from embed_plugin.export.onnx_graph.builder import GraphBuilder
from support.one_operator import dequantise
from support.one_operator import quantise as quantise_by_hand

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
    return graph.model("embedding", [WIDTH])


def run(model: onnx.ModelProto, output: str = "embedding", rows: range = range(50)) -> Floats:
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    if output != "embedding":
        watched.graph.output.append(onnx.ValueInfoProto(name=output))
    session = open_session(watched.SerializeToString())
    return np.asarray(session.run([output], {"input_ids": np.array([[row] for row in rows])})[0])


def calibrated(model: onnx.ModelProto) -> Quantisation:
    return calibrate(model, [np.array([[row]]) for row in range(50)], lambda *_: None)


def operators(model: onnx.ModelProto) -> list[str]:
    return [node.op_type for node in model.graph.node]


def error(model: onnx.ModelProto, exact: onnx.ModelProto) -> float:
    return float(np.sqrt(np.mean((run(model) - run(exact)) ** 2)))


@pytest.mark.parametrize("outlier", [None, 6])
def test_int8_is_near_fp32(outlier: int | None) -> None:
    model = feed_forward(outlier=outlier)
    quantised = quantise(model, calibrated(model))
    onnx.checker.check_model(quantised)
    assert error(quantised, model) < 0.02 * float(run(model).std())


def test_a_row_has_its_own_scale_and_depends_on_nothing_else() -> None:
    model = feed_forward(outlier=6)
    quantised = quantise(model, calibrated(model))
    together = run(quantised)
    for row in (0, 9, 10, 49):
        np.testing.assert_array_equal(run(quantised, rows=range(row, row + 1))[0], together[row])


def test_outlier_channels_are_kept_and_the_error_falls() -> None:
    model = feed_forward(outlier=6)
    found = calibrated(model)
    assert (6 in found.kept["pooled"], 3 in found.kept["activation"]) == (True, True)
    weights = {product.output: product.weight for product in weight_products(model)}
    plain = {
        name: next(quantise_weights([weight], Activation((), np.eye(weight.shape[1]))))
        for name, weight in weights.items()
    }
    without = Quantisation(dict.fromkeys(found.kept, ()), plain)
    assert error(quantise(model, found), model) < 0.75 * error(quantise(model, without), model)


def test_values_that_something_else_reads_stay_as_they_are() -> None:
    model = feed_forward(outlier=6)
    quantised = quantise(model, calibrated(model))
    model.graph.node.append(onnx.helper.make_node("Identity", ["activation"], ["also_read"]))
    watched = quantise(model, calibrated(model))
    np.testing.assert_array_equal(run(watched, "also_read"), run(quantised, "activation"))


def test_a_product_without_a_quantised_weight_stays_fp32() -> None:
    model = feed_forward()
    found = calibrated(model)
    first, second = (product.output for product in weight_products(model))
    part = Quantisation(found.kept, {first: found.weights[first]})
    assert operators(quantise(model, part)).count("MatMul") == 1
    assert operators(quantise(model, part)).count("MatMulIntegerToFloat") == 1
    assert second not in part.weights


def test_the_numbers_are_the_documented_ones() -> None:
    """One product, its rows and weights rounded by hand."""
    model = feed_forward(outlier=6)
    found = calibrated(model)
    product = weight_products(model)[1]
    x = run(quantise(model, found), "activation")
    rows, weight, kept = (
        quantise_by_hand(x, found.kept["activation"]),
        found.weights[product.output],
        list(found.kept["activation"]),
    )
    by_hand = (dequantise(rows) * (np.arange(HIDDEN) != kept[0])) @ (
        weight.rows * weight.scales[:, None].astype(float)
    ).T
    by_hand += x[:, kept] @ product.weight[:, kept].T
    np.testing.assert_allclose(run(quantise(model, found)), by_hand, rtol=1e-4, atol=1e-4)


def test_no_weight_is_kept_twice() -> None:
    model = feed_forward(outlier=6)
    quantised = quantise(model, calibrated(model))
    used: set[Any] = {name for node in quantised.graph.node for name in node.input}
    assert {tensor.name for tensor in quantised.graph.initializer} <= used

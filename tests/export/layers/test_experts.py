from __future__ import annotations

import numpy as np

from embed_plugin.encode.session import open_session
from embed_plugin.export.int8.quantise import weight_products
from embed_plugin.export.layers.experts import Experts
from embed_plugin.export.onnx_graph.builder import GraphBuilder

CHANNELS, WIDE, COUNT = 6, 5, 4
RNG = np.random.default_rng(5)
WEIGHTS = {
    "mlp.router.layer.weight": RNG.standard_normal((COUNT, CHANNELS), np.float32),
    "mlp.experts.mlp.w1": RNG.standard_normal((COUNT * WIDE, CHANNELS), np.float32),
    "mlp.experts.mlp.w2": RNG.standard_normal((COUNT * WIDE, CHANNELS), np.float32),
    "mlp.experts.bias": RNG.standard_normal(CHANNELS, np.float32),
}
TABLE = RNG.standard_normal((9, CHANNELS), np.float32)


def graph_of(chosen: int) -> GraphBuilder:
    """A graph from ids by way of a table to the experts."""
    graph = GraphBuilder()
    words = graph.node("Gather", "words", graph.weight("table", TABLE), "input_ids")
    mixed = Experts(COUNT, chosen, "relu").write(graph, WEIGHTS.__getitem__, "mlp", words)
    graph.node("ReduceSum", "embedding", mixed, graph.weight("tokens", [1], np.int64), keepdims=0)
    return graph


def expected(tokens: list[int], chosen: int) -> np.ndarray:
    w1, w2 = (WEIGHTS[f"mlp.experts.mlp.{part}"].reshape(COUNT, WIDE, CHANNELS) for part in ("w1", "w2"))
    summed = np.zeros(CHANNELS)
    for token in TABLE[tokens]:
        shares = np.exp(WEIGHTS["mlp.router.layer.weight"] @ token)
        for expert in np.argsort(shares)[::-1][:chosen]:
            summed += shares[expert] / shares.sum() * (np.maximum(w1[expert] @ token, 0) @ w2[expert])
        summed += WEIGHTS["mlp.experts.bias"]
    return summed


def test_tokens_go_through_the_experts_they_chose() -> None:
    for chosen in (1, 2, COUNT):
        session = open_session(graph_of(chosen).model("embedding", [CHANNELS]).SerializeToString())
        (found,) = session.run(None, {"input_ids": np.array([[0, 1, 2], [3, 4, 5]])})
        np.testing.assert_allclose(found, [expected([0, 1, 2], chosen), expected([3, 4, 5], chosen)], rtol=1e-5)


def test_an_expert_without_tokens_does_nothing() -> None:
    session = open_session(graph_of(1).model("embedding", [CHANNELS]).SerializeToString())
    (found,) = session.run(None, {"input_ids": np.array([[7]])})  # three experts have none
    np.testing.assert_allclose(found[0], expected([7], 1), rtol=1e-5)


def test_int8_rounds_the_experts_and_not_the_router() -> None:
    products = [product.output for product in weight_products(graph_of(2).model("embedding", [CHANNELS]))]
    assert len(products) == 2 * COUNT
    assert not any("router" in name for name in products)

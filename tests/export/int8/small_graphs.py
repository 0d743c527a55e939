"""fp32 graphs of the families of 2026, of random weights, written with the layers that architectures share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from embed_plugin.export.layers.activation import activate, gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.head_norm import head_norm
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder
from embed_plugin.export.outputs.vector import Dense, VectorOutput

if TYPE_CHECKING:
    import numpy.typing as npt
    import onnx

    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.types import Pooling

WORDS, WIDTH, INNER, SIZE, POSITIONS, LAYERS = 50, 64, 112, 16, 700, 2


@dataclass(frozen=True)
class SmallModel:
    """The shape of a model; ``sandwich`` norms what a half of a layer gives, too."""

    attention: Attention
    activation: Activation
    order: Literal["pre", "sandwich", "post"]
    is_gated: bool = True
    rms: bool = False
    rotated: bool = False
    head_norm: bool = False
    embedding_scale: float | None = None
    pooling: Pooling = "mean"
    dense: tuple[int, ...] = ()


def bias(heads: int) -> npt.NDArray[np.float32]:
    return np.random.default_rng(7).normal(size=(heads, 2 * POSITIONS - 1)).astype(np.float32)


MODELS = {
    "qwen3": SmallModel(
        Attention(4, kv_heads=2, causal=True),
        activation="silu",
        order="pre",
        rms=True,
        rotated=True,
        head_norm=True,
        pooling="lasttoken",
    ),
    "gemma3": SmallModel(
        Attention(4, kv_heads=1, scale=0.2, window=20),
        activation="gelu_tanh",
        order="sandwich",
        rms=True,
        rotated=True,
        head_norm=True,
        embedding_scale=8.0,
        dense=(80, 32),
    ),
    "modernbert": SmallModel(Attention(4, window=64), "gelu", "pre", rotated=True, pooling="cls"),
    "mpnet": SmallModel(Attention(4, bias=bias(4)), "gelu", "post", is_gated=False),
    "t5": SmallModel(Attention(4, scale=1.0, bias=bias(4)), "relu", "pre", is_gated=False, rms=True, dense=(48,)),
    "new": SmallModel(Attention(4), "gelu", "post", rotated=True, pooling="cls"),
}


class SmallGraph:
    """Writes a model."""

    def __init__(self, model: SmallModel) -> None:
        self.model = model
        self.graph = GraphBuilder()
        self.random = np.random.default_rng(0)

    def build(self) -> onnx.ModelProto:
        graph, model = self.graph, self.model
        hidden = graph.node("Gather", "words", graph.weight("words.table", self.drawn(WORDS, WIDTH)), INPUT)
        if model.embedding_scale:
            hidden = graph.node("Mul", "scaled", hidden, graph.weight("scale", model.embedding_scale))
        if model.order == "post":
            hidden = self.norm("words.norm", hidden)
        for index in range(LAYERS):
            hidden = self.half(f"{index}.attention", hidden)
            hidden = self.half(f"{index}.feed_forward", hidden)
        hidden = hidden if model.order == "post" else self.norm("last.norm", hidden)
        sizes = zip((WIDTH, *model.dense), model.dense, strict=False)
        dense = tuple(Dense(self.drawn(outputs, inputs), None, "Identity") for inputs, outputs in sizes)
        return VectorOutput(model.pooling, dense).finish(graph, hidden, WIDTH)

    def half(self, name: str, hidden: str) -> str:
        """One half of a layer, its residual and its norms."""
        normed = hidden if self.model.order == "post" else self.norm(f"{name}.before", hidden)
        done = self.attend(name, normed) if "attention" in name else self.feed_forward(name, normed)
        if self.model.order == "sandwich":
            return self.graph.node("Add", f"{name}.residual", hidden, self.norm(f"{name}.after", done))
        total = self.graph.node("Add", f"{name}.residual", done, hidden)
        return self.norm(f"{name}.norm", total) if self.model.order == "post" else total

    def attend(self, name: str, value: str) -> str:
        attention = self.model.attention
        heads, kv_heads = attention.heads, attention.kv_heads or attention.heads
        query, key = (self.turned(f"{name}.{part}", value, of) for part, of in (("q", heads), ("k", kv_heads)))
        attended = attention.write(self.graph, name, query, key, self.linear(f"{name}.v", value, kv_heads * SIZE))
        return self.linear(f"{name}.out", attended, WIDTH)

    def turned(self, name: str, value: str, heads: int) -> str:
        projected = self.linear(name, value, heads * SIZE)
        if self.model.head_norm:
            projected = head_norm(self.graph, f"{name}.norm", projected, 1 + self.drawn(SIZE), 1e-6, heads)
        if not self.model.rotated:
            return projected
        return Rotations("turn", frequencies(1e4, SIZE), POSITIONS).write(self.graph, projected, heads=heads)

    def feed_forward(self, name: str, value: str) -> str:
        opened = self.linear(f"{name}.open", value, INNER)
        if self.model.is_gated:
            gate = self.linear(f"{name}.gate", value, INNER)
            wide = gated(self.graph, f"{name}.gated", self.model.activation, gate=gate, value=opened)
        else:
            wide = activate(self.graph, f"{name}.activated", self.model.activation, opened)
        return self.linear(f"{name}.close", wide, WIDTH)

    def norm(self, name: str, value: str) -> str:
        if self.model.rms:
            return self.graph.rms_norm(name, value, 1 + self.drawn(WIDTH), 1e-6)
        weights = {f"{name}.weight": 1 + self.drawn(WIDTH), f"{name}.bias": self.drawn(WIDTH)}
        has_bias = self.model.order == "post"
        return self.graph.layer_norm(name, value, weights.__getitem__, 1e-6, has_bias=has_bias)

    def linear(self, name: str, value: str, columns: int) -> str:
        inputs = INNER if name.endswith("close") else self.model.attention.heads * SIZE if "out" in name else WIDTH
        weight = self.drawn(columns, inputs)
        if self.model.order == "post":
            return self.graph.linear(name, value, weight, self.drawn(columns))
        return self.graph.product(name, value, weight)

    def drawn(self, *shape: int) -> npt.NDArray[np.float32]:
        return (self.random.normal(size=shape) / 8).astype(np.float32)

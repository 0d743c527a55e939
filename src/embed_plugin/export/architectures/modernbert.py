"""ModernBERT (gte-modernbert, modernbert-embed, granite-embedding r2, mmBERT, Ettin's encoders).

"Smarter, Better, Faster, Longer" (Warner et al., 2024): normalised before each half and once more at the end, positions
as rotations, gated feed-forward layers. Most layers see a window around each token alone, and have rotations of their
own. The first layer's attention reads the embeddings, which are normalised already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.architectures.architecture import Architecture, Unwritten
from embed_plugin.export.layers.activation import ACTIVATIONS, gated
from embed_plugin.export.layers.attention import Attention
from embed_plugin.export.layers.linear import Linears
from embed_plugin.export.layers.rotary import Rotations, frequencies
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation
    from embed_plugin.export.onnx_graph.builder import WeightSource
    from embed_plugin.export.outputs.output import Output

FULL, SLIDING = "full_attention", "sliding_attention"
"""The kinds of layers, in the names of ``config.json``."""

_OLD_THETAS = {FULL: "global_rope_theta", SLIDING: "local_rope_theta"}
"""The keys of the rotations' bases before transformers 5."""


@dataclass(frozen=True)
class ModernBertConfig:
    """The shape of a ModernBERT encoder, in the names of its ``config.json``.

    Attributes:
        kinds: The kind of each layer.
        thetas: Base of the rotations' wavelengths in the layers of a kind.
        window: In a sliding layer a token sees tokens at most so many positions away.
    """

    hidden_size: int
    num_attention_heads: int
    norm_eps: float
    norm_bias: bool
    attention_bias: bool
    mlp_bias: bool
    activation: Activation
    kinds: tuple[str, ...]
    thetas: Mapping[str, float]
    window: int
    positions: int


def read_config(checkpoint: CheckpointDescription) -> ModernBertConfig:
    """Read the shape of a ModernBERT checkpoint, as published or as transformers 5 writes it.

    Raises:
        SourceError: ``config.json`` lacks a value, or has not one kind a layer.
    """
    config = checkpoint.config.object()
    try:
        kinds = _kinds(config)
        if len(kinds) != config["num_hidden_layers"]:
            found = f"{checkpoint.config.path} has {len(kinds)} layer_types and {config['num_hidden_layers']} layers"
            raise SourceError(f"{found}, expected one a layer: fetch the checkpoint again")
        return ModernBertConfig(
            hidden_size=config["hidden_size"],
            num_attention_heads=config["num_attention_heads"],
            norm_eps=config.get("norm_eps", 1e-5),
            norm_bias=config.get("norm_bias", False),
            attention_bias=config.get("attention_bias", False),
            mlp_bias=config.get("mlp_bias", False),
            activation=ACTIVATIONS[config.get("hidden_activation", "gelu")],
            kinds=kinds,
            thetas={kind: _theta(config, kind) for kind in set(kinds)},
            window=config["local_attention"] // 2 if SLIDING in kinds else 0,
            positions=config["max_position_embeddings"],
        )
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error


def _kinds(config: Mapping[str, Any]) -> tuple[str, ...]:
    """The kind of each layer; before transformers 5 one in every few, the first among them, was a full one."""
    stated = config.get("layer_types")
    if stated is not None:
        return tuple(stated)
    every = config["global_attn_every_n_layers"]
    return tuple(SLIDING if index % every else FULL for index in range(config["num_hidden_layers"]))


def _theta(config: Mapping[str, Any], kind: str) -> float:
    """Base of the rotations of a kind; sliding layers without one of their own have that of the full ones."""
    new = (config.get("rope_parameters") or {}).get(kind) or {}
    if "rope_theta" in new:
        return float(new["rope_theta"])
    theta = config[_OLD_THETAS[kind]]
    return float(config[_OLD_THETAS[FULL]] if theta is None else theta)


def find_unwritten(config: Mapping[str, Any]) -> Unwritten | None:
    """Find an activation, a kind of layer or scaled rotations that the graph does not compute."""
    activation = config.get("hidden_activation", "gelu")
    if activation not in ACTIVATIONS:
        return Unwritten(f"modernbert with hidden_activation {activation!r}", optimum=True)
    for kind in config.get("layer_types") or ():
        if kind not in _OLD_THETAS:
            return Unwritten(f"modernbert with a layer of type {kind!r}", optimum=False)
    if config.get("rope_scaling"):
        return Unwritten(f"modernbert with rope_scaling {config['rope_scaling']!r}", optimum=False)
    for kind, rotations in (config.get("rope_parameters") or {}).items():
        if rotations and rotations.get("rope_type", "default") != "default":
            return Unwritten(f"modernbert with rope_type {rotations['rope_type']!r} in {kind}", optimum=False)
    return None


class ModernBertGraph:
    """Adds the layers of one checkpoint to a graph, in reading order: embed, attend, feed forward."""

    def __init__(self, config: ModernBertConfig, weights: WeightSource, output: Output) -> None:
        self.config = config
        self.weights = weights
        self.output = output
        self.graph = GraphBuilder()
        self.linears = Linears(self.graph, weights)

    def build(self) -> onnx.ModelProto:
        """Build the whole model."""
        hidden = self.embed()
        for index, kind in enumerate(self.config.kinds):
            last = index == len(self.config.kinds) - 1
            # A window is about all queries of a text, so a sliding last layer is computed whole.
            first_only = last and kind == FULL and self.output.reads_first_token_only
            hidden = self.attend(index, hidden, first_token_only=first_only)
            hidden = self.feed_forward(f"layers.{index}", hidden)
        if self.output.reads_first_token_only and self.config.kinds[-1] != FULL:
            hidden = self.graph.token(hidden, 0)
        return self.output.finish(self.graph, self.norm("final_norm", hidden), self.config.hidden_size)

    def embed(self) -> str:
        """The normalised word embeddings."""
        table = self.graph.weight("words.table", self.weights("embeddings.tok_embeddings.weight"))
        return self.norm("embeddings.norm", self.graph.node("Gather", "words", table, INPUT))

    def attend(self, index: int, hidden: str, *, first_token_only: bool) -> str:
        """The first half of a layer; with ``first_token_only`` queries are those of the first token alone.

        The first token's position is 0 with and without the others, so its rotation is the same.
        """
        graph, config, name = self.graph, self.config, f"layers.{index}"
        normed = self.norm(f"{name}.attn_norm", hidden) if index else hidden
        kept, asking = hidden, normed
        if first_token_only:
            kept = graph.token(hidden, 0)
            asking = graph.token(normed, 0) if index else kept
        values = {"query": asking, "key": normed, "value": normed}
        query, key, value = self.linears.split(f"{name}.attn.Wqkv", values, has_bias=config.attention_bias)
        kind, heads = config.kinds[index], config.num_attention_heads
        query, key = (self.rotations(kind).write(graph, each, heads=heads) for each in (query, key))
        attention = Attention(heads, window=config.window if kind == SLIDING else None)
        attended = attention.write(graph, f"{name}.attention", query, key, value)
        projected = self.linears.write(f"{name}.attn.Wo", attended, has_bias=config.attention_bias)
        return graph.node("Add", f"{name}.attention.residual", projected, kept)

    def rotations(self, kind: str) -> Rotations:
        """The rotations of the layers of a kind."""
        size = self.config.hidden_size // self.config.num_attention_heads
        return Rotations(f"rotation.{kind}", frequencies(self.config.thetas[kind], size), self.config.positions)

    def feed_forward(self, name: str, hidden: str) -> str:
        """The second half of a layer: ``Wo(activation(first half of Wi x) * second half of Wi x)``."""
        graph, has_bias = self.graph, self.config.mlp_bias
        normed = self.norm(f"{name}.mlp_norm", hidden)
        gate, value = self.linears.split(f"{name}.mlp.Wi", {"gate": normed, "value": normed}, has_bias=has_bias)
        product = gated(graph, f"{name}.gated", self.config.activation, gate=gate, value=value)
        narrowed = self.linears.write(f"{name}.mlp.Wo", product, has_bias=has_bias)
        return graph.node("Add", f"{name}.mlp.residual", narrowed, hidden)

    def norm(self, name: str, value: str) -> str:
        """A layer normalisation of the checkpoint."""
        config = self.config
        return self.graph.layer_norm(name, value, self.weights, config.norm_eps, has_bias=config.norm_bias)


def build(config: ModernBertConfig, weights: WeightSource, output: Output) -> onnx.ModelProto:
    """Build the fp32 graph of a ModernBERT checkpoint."""
    return ModernBertGraph(config, weights, output).build()


MODERNBERT = Architecture(
    ("modernbert",),
    read_config,
    build,
    find_unwritten,
    word_table="embeddings.tok_embeddings.weight",
    prefixes=("", "model."),
)

"""Find the parts of a graph that one operator of :mod:`embed_plugin.kernels` can do in one pass."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.export.int8.ordered_sums import norm_parts
from embed_plugin.export.layers.attention import BIAS, WINDOW
from embed_plugin.export.onnx_graph.builder import INPUT
from embed_plugin.export.onnx_graph.edit import attribute, noted, values_read
from embed_plugin.export.outputs.expansion import SEEN

if TYPE_CHECKING:
    from collections.abc import Iterable

    import onnx

    from embed_plugin.export.int8.quantise import Quantiser

HEAD_SIZES = range(16, 256 + 1, 16)
"""Channels of an attention head that the kernels take."""

NORMS = ("LayerNormalization", "RMSNormalization")

RESIDUALS = (*NORMS, "Slice")
"""Operators that give the residual of a layer: a norm, or its first token. Both have the product's shape."""

LARGEST_WINDOW = 1 << 17
"""The kernels take no longer texts, so that a wider window sees every key."""


@dataclass(frozen=True)
class FusedOperator:
    """One operator that replaces several and gives a value as uint8.

    Attributes:
        name: Of the operator.
        value: The value that is quantised.
        inputs: Its inputs, up to the kept channels; an empty name is an input that is left out.
        replaced: The nodes it replaces, the first of which is where it is written.
        given: The values that it also gives as float32, first.
        attributes: Of the operator.
        seen: The value with the number of keys that each text's queries see, the last input; empty: they see all.
    """

    name: str
    value: str
    inputs: list[str]
    replaced: list[onnx.NodeProto]
    given: tuple[str, ...] = ()
    attributes: dict[str, float] = field(default_factory=dict)
    seen: str = ""


class Mask(NamedTuple):
    """A mask that the kernels compute from positions.

    Attributes:
        window: The most positions between a query and a key that it sees; -1: any.
        bias: Name of the table that is added to scores; empty: there is none.
        seen: Name of the number of keys that each text's queries see; empty: they see all.
    """

    window: int = -1
    bias: str = ""
    seen: str = ""


class FusedOperators:
    """Finds the fusable parts of a graph that will be quantised."""

    def __init__(self, quantiser: Quantiser) -> None:
        """Index the graph of a quantiser, which knows its weight products."""
        graph = quantiser.source.graph
        self.tensors = quantiser.tensors
        self.channels = quantiser.channels
        self.producers = {name: node for node in graph.node for name in node.output}
        self.readers = Counter(name for node in graph.node for name in values_read(node))
        self.multiplied = Counter(node.input[0] for node in quantiser.products)
        self.sources = {quantiser.output_of(node): node.input[0] for node in quantiser.products}
        self.products = set(self.sources)
        self.token_values = self._find_token_values(graph.node)

    def fused(self) -> dict[str, FusedOperator]:
        """The fused operators, by the first output of the node in whose place they are written."""
        finders = (self._add_norm, self._add_then_norm, self._attention, self._rule_attention)
        found = [next(filter(None, (find(value) for find in finders)), None) for value in self.multiplied]
        return {fused.replaced[0].output[0]: fused for fused in found if fused is not None}

    def _find_token_values(self, nodes: Iterable[onnx.NodeProto]) -> set[str]:
        """Find values that surely have a row for each token, as products have: their sums do not broadcast."""
        found = set(self.products)
        for node in nodes:
            if node.op_type in {*NORMS, "Slice"}:
                is_one = node.input[0] in found
            elif node.op_type in {"Add", "Mul"}:
                is_one = not found.isdisjoint(node.input)
            else:
                is_one = node.op_type == "Gather" and node.input[0] in self.tensors and node.input[1] == INPUT
            found.update(node.output if is_one else ())
        return found

    def is_only_quantised(self, value: str, operator: str) -> bool:
        """Tell if an operator of this kind gives a value that no node reads as float32."""
        producer = self.producers.get(value)
        return producer is not None and producer.op_type == operator and self.readers[value] == self.multiplied[value]

    def _add_norm(self, value: str) -> FusedOperator | None:
        """A norm of ``product + residual``; another sum may broadcast, as words and positions do."""
        norm = self.producers.get(value)
        parts = None if norm is None else norm_parts(norm)
        if norm is None or parts is None:
            return None
        added = self.producers.get(norm.input[0])
        if added is None or self.readers[norm.input[0]] != 1 or not self._is_residual(added):
            return None
        inputs, attributes = parts
        return FusedOperator(
            "AddNormQuantise", value, [*added.input, *inputs], [norm, added], given=(value,), attributes=attributes
        )

    def _add_then_norm(self, value: str) -> FusedOperator | None:
        """The norm of a sum that is read later: residuals pass by the norms."""
        if not any(self.is_only_quantised(value, norm) for norm in NORMS):
            return None
        norm = self.producers[value]
        added, parts = self.producers.get(norm.input[0]), norm_parts(norm)
        if added is None or added.op_type != "Add" or parts is None or not self.token_values.issuperset(added.input):
            return None
        inputs, attributes = parts
        if not all(name in self.tensors for name in inputs if name):
            return None  # a node behind the sum, in whose place the operator stands, gives scale or bias
        total = added.output[0]
        return FusedOperator(
            "AddThenNormQuantise", value, [*added.input, *inputs], [added, norm], given=(total,), attributes=attributes
        )

    def _is_residual(self, added: onnx.NodeProto) -> bool:
        """Tell if an Add has a weight product and the layer's residual."""
        if added.op_type != "Add" or added.input[0] not in self.products:
            return False
        residual = self.producers.get(added.input[1])
        return residual is not None and residual.op_type in RESIDUALS

    def _attention(self, value: str) -> FusedOperator | None:
        """Attention, in place of the If with both operators."""
        if not self.is_only_quantised(value, "If"):
            return None
        choice = self.producers[value]
        inner, short = (attribute(choice, name).node for name in ("else_branch", "then_branch"))
        if len(inner) != 1 or inner[0].op_type != "MultiHeadAttention" or len(short) != 1:
            return None
        mask = self._mask(short[0])
        if mask is None or mask != Mask(seen=mask.seen):
            return None
        heads = attribute(inner[0], "num_heads")
        size, rest = divmod(self.channels[value], heads)
        if rest or size not in HEAD_SIZES:
            return None
        inputs, attributes = list(inner[0].input), {"num_heads": heads}
        return FusedOperator("AttentionQuantise", value, inputs, [choice], attributes=attributes, seen=mask.seen)

    def _rule_attention(self, value: str) -> FusedOperator | None:
        """Attention whose mask is a rule of position, as ``layers/attention.py`` writes it."""
        if not self.is_only_quantised(value, "Attention"):
            return None
        node = self.producers[value]
        heads = attribute(node, "q_num_heads", 0)
        size, rest = divmod(self.channels[value], heads) if heads else (0, 0)
        mask = self._mask(node)
        if rest or size not in HEAD_SIZES or mask is None or attribute(node, "softcap", 0.0):
            return None
        attributes = {
            "num_heads": heads,
            "kv_heads": attribute(node, "kv_num_heads", heads),
            "causal": attribute(node, "is_causal", 0),
            "window": mask.window,
            "scale": float(attribute(node, "scale", size**-0.5)),
        }
        inputs = [*node.input[:3], mask.bias]
        return FusedOperator("RuleAttentionQuantise", value, inputs, [node], attributes=attributes, seen=mask.seen)

    def _mask(self, node: onnx.NodeProto) -> Mask | None:
        """The mask of attention; None: it is no such rule."""
        if len(node.input) <= 3:  # noqa: PLR2004 - queries, keys and values
            return Mask() if len(node.output) == 1 else None
        mask = self.producers.get(node.input[3])
        if mask is None or any(node.input[4:]):
            return None
        window, bias, seen = (noted(mask, name) for name in (WINDOW, BIAS, SEEN))
        if window or seen:
            return Mask(window=min(int(window), LARGEST_WINDOW) if window else -1, seen=seen or "")
        return Mask(bias=bias) if bias is not None and bias in self.tensors else None

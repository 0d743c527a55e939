"""Hide the expansion of a query: tokens at its end that have vectors, and that no token attends to.

ColBERT fills a query up with [MASK] to one length ("ColBERT", Khattab and Zaharia, 2020). Where the checkpoint was
trained so that tokens do not attend to these, each sees the keys before them alone. Queries of one length differ in
their number, so it is counted in the graph, text by text: a text's last tokens that are [MASK]. A tokenizer that puts
a special token behind a text, which export requires, lets no text of a user's end so.

A text that has no such token sees all of its keys, and attention is computed by the same operators whatever it has, so
that no vector depends on what else is in a batch.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from onnx import TensorProto, helper

from embed_plugin.errors import ExportError
from embed_plugin.export.layers.attention import WINDOW
from embed_plugin.export.onnx_graph.builder import INPUT, LONG_TEXT_TOKENS, GraphBuilder
from embed_plugin.export.onnx_graph.edit import attribute, note

if TYPE_CHECKING:
    import onnx

SEEN = "seen"
"""Note on the node that gives a mask: the name of the value with the number of keys that each text's queries see."""

COUNT, MASK = "expansion.seen", "expansion.mask"

FEWEST_REAL = 3
"""Tokens that a query has before its expansion, at least: a first one, the marker and a last one."""

_QUERIES_KEYS_VALUES = 3


def hide_expansion(graph: GraphBuilder, *, token: int, query_length: int) -> None:
    """Change all attention of a graph so that no token attends to the expansion.

    Args:
        graph: Has the backbone.
        token: The token that fills queries up.
        query_length: The length that they have then.

    Raises:
        ExportError: the backbone has attention of which this is not written.
    """
    front = GraphBuilder()
    _count(front, token)
    _mask(front)
    changed: list[onnx.NodeProto] = []
    for node in graph.nodes:
        if node.op_type == "If" and _is_attention(node):
            changed.append(_masked_choice(node, query_length))
        elif node.op_type in {"Attention", "MultiHeadAttention"}:
            changed += _masked(node, query_length)
        else:
            changed.append(node)
    graph.nodes[:] = [*front.nodes, *changed]
    graph.weights.extend(front.weights)


def _count(front: GraphBuilder, token: int) -> None:
    """The number of tokens of each text up to its last one that is not of the expansion: int64 ``(n,)``."""
    one = front.weight("expansion.one", 1, np.int64)
    length = front.node("Squeeze", "expansion.length", front.node("Shape", "expansion.shape", INPUT, start=1, end=2))
    end = front.node("Add", "expansion.end", length, one)
    places = front.node("Range", "expansion.places", one, end, one)  # 1, 2, ..., length
    is_filler = front.node("Equal", "expansion.is_filler", INPUT, front.weight("expansion.token", token, np.int64))
    is_real = front.node(
        "Cast", "expansion.is_real", front.node("Not", "expansion.real", is_filler), to=TensorProto.INT64
    )
    real_places = front.node("Mul", "expansion.real_places", is_real, places)
    front.node("ReduceMax", COUNT, real_places, front.weight("expansion.axis", [1], np.int64), keepdims=0)


def _mask(front: GraphBuilder) -> None:
    """True where a key is seen: bool ``(n, 1, length, length)``."""
    by_text = front.node("Unsqueeze", "expansion.by_text", COUNT, front.weight("expansion.axes", [1, 2, 3], np.int64))
    keys = front.node("LessOrEqual", "expansion.keys", "expansion.places", by_text)
    size = front.node("Concat", "expansion.size", "expansion.shape", "expansion.shape", axis=0)
    front.node("Expand", MASK, keys, size)  # (n, 1, 1, length) by (length, length)
    note(front.nodes[-1], SEEN, COUNT)


def _is_attention(node: onnx.NodeProto) -> bool:
    """Tell if an If is the choice of attention that :meth:`GraphBuilder.attention` writes."""
    inner = [inner.op_type for name in ("then_branch", "else_branch") for inner in attribute(node, name).node]
    return inner == ["Attention", "MultiHeadAttention"]


def _masked_choice(choice: onnx.NodeProto, query_length: int) -> onnx.NodeProto:
    """The operator for short texts with the mask; that for long ones stays, where no query is as long."""
    short = attribute(choice, "then_branch").node[0]
    short.input.append(MASK)
    if query_length < LONG_TEXT_TOKENS:
        return choice
    short.output[0] = choice.output[0]
    short.name = choice.name
    masked: onnx.NodeProto = short
    return masked


def _masked(node: onnx.NodeProto, query_length: int) -> list[onnx.NodeProto]:
    """Attention without a choice, with the mask beside the one that it has."""
    is_causal = attribute(node, "is_causal", 0)
    if node.op_type != "Attention" or is_causal or len(node.input) > _QUERIES_KEYS_VALUES + 1:
        kind = "causal" if is_causal else node.op_type
        raise _unwritten(f"{kind} attention ({node.name})")
    if len(node.input) == _QUERIES_KEYS_VALUES:
        node.input.append(MASK)
        return [node]
    window = node.input[_QUERIES_KEYS_VALUES]
    both = helper.make_node("And", [window, MASK], [f"{node.name}.seen"], name=f"{node.name}.seen")
    node.input[_QUERIES_KEYS_VALUES] = both.output[0]
    _require_window(window, query_length)
    note(both, WINDOW, window.rsplit(".", 1)[-1])
    note(both, SEEN, COUNT)
    return [both, node]


def _require_window(mask: str, query_length: int) -> None:
    """Refuse a mask that is no window, or one in which the last token of an expansion would see no key at all."""
    name, _, window = mask.rpartition(".")
    if name != "attention.window":
        raise _unwritten(f"attention with a bias ({mask})")
    if query_length - FEWEST_REAL > int(window):
        found = f"queries have {query_length} tokens, and a layer's window is {window} to either side"
        raise ExportError(f"{found}: the last of a short query's expansion would see nothing, which is not written")


def _unwritten(what: str) -> ExportError:
    found = f"a model whose tokens do not attend to the expansion of a query, and with {what}"
    return ExportError(f"{found}: that is not written. Give a ColBERT of BERT, RoBERTa, ModernBERT or the like")

"""Check that a graph has an embedding for every token of its tokenizer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.tokenizer import highest_token
from embed_plugin.export.onnx_graph.builder import INPUT

if TYPE_CHECKING:
    from pathlib import Path

    import onnx


def require_known_tokens(graph: onnx.ModelProto, tokenizer: str, folder: Path) -> None:
    """Refuse a tokenizer with a token that the word embeddings have no row for: a text with it would fail later.

    Raises:
        ExportError: there is such a token.
    """
    rows = table_rows(graph.graph)
    token, highest = highest_token(tokenizer)
    if rows is not None and highest >= rows:
        found = (
            f"{folder}: the tokenizer's token {token!r} has the id {highest}, and the word embeddings have {rows} rows"
        )
        raise ExportError(
            f"{found}: take the tokenizer and the weights of one model, or resize its embeddings and save it"
        )


def table_rows(graph: onnx.GraphProto) -> int | None:
    """Rows of the table that the token ids index; None: the graph has no such table."""
    tables = {tensor.name: tensor.dims[0] for tensor in graph.initializer if len(tensor.dims) > 1}
    ids = {INPUT}
    for node in graph.node:
        # Where ids say the segment too, the words' ids are what is left of them behind a Sub.
        if node.op_type in {"Cast", "Identity", "Sub"} and node.input[0] in ids:
            ids.update(node.output)
        if node.op_type == "Gather" and node.input[1] in ids and node.input[0] in tables:
            return int(tables[node.input[0]])
    return None

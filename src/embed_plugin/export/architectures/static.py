"""Static embeddings: a table of token vectors, whose mean is a text's vector (model2vec, StaticEmbedding).

There are two layouts. model2vec's table is ``embeddings``; unknown tokens take no part in its mean, and a smaller table
comes with the row of each token (``mapping``) and a factor for each (``weights``). sentence-transformers' own table is
``embedding.weight``; all tokens take part. Neither puts special tokens around a text.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint.description import DENSE
from embed_plugin.export.checkpoint.files import TOKENIZER
from embed_plugin.export.checkpoint.tensors import open_tensors, read_integers, read_tensor
from embed_plugin.export.checkpoint.token_limit import MOST_STATIC_TOKENS
from embed_plugin.export.onnx_graph.builder import INPUT, GraphBuilder

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt
    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output

OWN_TABLE, TABLE, ROWS, FACTORS = "embedding.weight", "embeddings", "mapping", "weights"


class StaticExporter:
    """Writes the graph of a static embedding: look up, add, normalise."""

    name = "native"
    packages: tuple[str, ...] = ()
    architecture = "static"
    positions = MOST_STATIC_TOKENS

    def __init__(self, checkpoint: CheckpointDescription) -> None:
        """Find the table; it is not read yet.

        Raises:
            SourceError: there is no such table, or other tensors beside it.
            ExportError: a dense layer follows where unknown tokens are left out.
        """
        self.checkpoint = checkpoint
        files = checkpoint.weight_files()
        if len(files) > 1:
            raise SourceError(f"{checkpoint.encoder} has a table in {len(files)} files, expected one: save it again")
        self.path = files[0]
        self.names = set(open_tensors(self.path).names())
        self.leaves_out_unknown = TABLE in self.names
        if self.names != {OWN_TABLE} and not {TABLE} <= self.names <= {TABLE, ROWS, FACTORS}:
            found = f"{self.path} holds {', '.join(sorted(self.names)) or 'nothing'}"
            expected = f"{OWN_TABLE}, or {TABLE} with or without {ROWS} and {FACTORS}"
            raise SourceError(f"{found}, expected {expected}: fetch the checkpoint again")
        if self.leaves_out_unknown and DENSE in checkpoint.kinds:
            found = f"{checkpoint.folder} has a dense layer behind a table of model2vec"
            raise ExportError(f"{found}, whose mean leaves unknown tokens out: the graph would divide by all tokens")

    def build(self, output: Output, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the fp32 graph."""
        del max_tokens, work
        graph, table = GraphBuilder(), self.table()
        words = graph.node("Gather", "words", graph.weight("words.table", table), INPUT)
        return output.finish(graph, words, table.shape[1])

    def table(self) -> npt.NDArray[np.float32]:
        """One row a token; that of the unknown token is 0 where it takes no part, for only the sum is normalised."""
        if not self.leaves_out_unknown:
            return read_tensor(self.path, OWN_TABLE)
        table = read_tensor(self.path, TABLE)
        if ROWS in self.names:
            table = table[self.rows(len(table))]
        if FACTORS in self.names:
            table = table * self.factors(len(table))
        unknown = self.unknown_token()
        if unknown is not None and 0 <= unknown < len(table):
            table[unknown] = 0
        return table

    def rows(self, count: int) -> npt.NDArray[np.int64]:
        """The row of each token."""
        rows = read_integers(self.path, ROWS)
        if rows.ndim != 1 or not len(rows) or rows.min() < 0 or rows.max() >= count:
            raise SourceError(f"{self.path}: {ROWS} names rows outside the table's {count}: fetch the checkpoint again")
        return rows

    def factors(self, count: int) -> npt.NDArray[np.float32]:
        """The factor of each token, as a column."""
        factors = read_tensor(self.path, FACTORS)
        if factors.shape != (count,):
            found = f"{self.path}: {FACTORS} has the shape {factors.shape}"
            raise SourceError(f"{found}, expected ({count},): fetch the checkpoint again")
        return factors[:, None]

    def unknown_token(self) -> int | None:
        """Id of the token for text that is not in the vocabulary; None: the tokenizer has none."""
        path = self.checkpoint.encoder / TOKENIZER
        tokenizer = json.loads(path.read_text(encoding="utf-8-sig"))
        model: dict[str, Any] = tokenizer["model"]
        if isinstance(model["vocab"], list):  # Unigram names it by its place
            place: int | None = model.get("unk_id")
            return place
        ids: dict[str | None, int] = {token["content"]: token["id"] for token in tokenizer.get("added_tokens") or []}
        ids.update(model["vocab"])
        return ids.get(model.get("unk_token"))

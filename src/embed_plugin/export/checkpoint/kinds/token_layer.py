"""Read the layer of token vectors that lies beside an embedding model's own weights, as in bge-m3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.checkpoint.files import COLBERT_LINEAR
from embed_plugin.export.checkpoint.kinds.lexical_weights import read_layer
from embed_plugin.export.outputs.tokens import TokenDense, TokensOutput
from embed_plugin.model.late_interaction import LateInteractionFacts

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.description import CheckpointDescription


def read_token_layer(checkpoint: CheckpointDescription, max_tokens: int) -> TokensOutput | None:
    """Read the layer; None: there is none. As FlagEmbedding has it, every token but the first has a vector.

    Args:
        checkpoint: The checkpoint.
        max_tokens: Token limit of one text, of a query too.

    Raises:
        SourceError: the file holds other tensors, or cannot be read.
    """
    layer = read_layer(checkpoint.folder / COLBERT_LINEAR)
    if layer is None:
        return None
    late = LateInteractionFacts(
        query_marker=None,
        document_marker=None,
        query_length=max_tokens,
        expansion=None,
        sees_expansion=True,
        skipped=(),
        drops_first=True,
    )
    return TokensOutput((TokenDense(*layer),), late)

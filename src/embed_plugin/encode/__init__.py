"""Encode texts to vectors: prefix -> tokenizer -> batch queue -> session -> output.

:class:`Encoder` (``encoder``) and the classes in ``kinds`` are for users, ``runtime`` is the port below them for
serve and ingest.
"""

from embed_plugin.encode.encoder import Encoder
from embed_plugin.encode.kinds.combined_encoder import CombinedEncoder
from embed_plugin.encode.kinds.late_interaction_encoder import LateInteractionEncoder
from embed_plugin.encode.kinds.reranker import Reranker
from embed_plugin.encode.kinds.sparse_encoder import SparseEncoder
from embed_plugin.encode.settings import EncoderSettings

__all__ = ["CombinedEncoder", "Encoder", "EncoderSettings", "LateInteractionEncoder", "Reranker", "SparseEncoder"]

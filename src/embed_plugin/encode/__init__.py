"""Encode texts to vectors: prefix -> tokenizer -> batch queue -> session -> output.

:class:`Encoder` (``encoder``) is for users, ``runtime`` is the port below it for serve and ingest.
"""

from embed_plugin.encode.encoder import Encoder
from embed_plugin.encode.kinds.late_interaction_encoder import LateInteractionEncoder
from embed_plugin.encode.settings import EncoderSettings

__all__ = ["Encoder", "EncoderSettings", "LateInteractionEncoder"]

"""Texts to vectors: prefix -> tokenizer -> batch queue -> onnx session -> encoder."""

from embed_plugin.encode.encoder import Encoder
from embed_plugin.encode.settings import EncoderSettings

__all__ = ["Encoder", "EncoderSettings"]

"""The names of a checkpoint's files, and the patterns of those that are fetched."""

from __future__ import annotations

from fnmatch import fnmatchcase

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
MODULES = "modules.json"
TRANSFORMER_SETTINGS = "sentence_bert_config.json"
SENTENCE_TRANSFORMERS = "config_sentence_transformers.json"
ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"

NEEDED_FILES: tuple[str, ...] = (
    CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    MODULES,
    "sentence_*_config.json",
    SENTENCE_TRANSFORMERS,
    ADAPTER,
    ADAPTER_WEIGHTS,
    f"*/{ADAPTER}",
    f"*/{ADAPTER_WEIGHTS}",
    "*_Pooling/config.json",
    "*_Dense/config.json",
    "*_Dense/model.safetensors",
    WEIGHTS,
    "model-*.safetensors",
    SHARD_INDEX,
)
"""Patterns of the files that are ever fetched; none of them can run code when it is loaded."""


def is_needed(path: str) -> bool:
    """Tell if a file of a checkpoint, by its ``/``-separated path in it, is one that is fetched."""
    return any(fnmatchcase(path, pattern) for pattern in NEEDED_FILES)

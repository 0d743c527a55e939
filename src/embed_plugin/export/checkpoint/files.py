"""The names of a checkpoint's files, and the patterns of those that are fetched."""

from __future__ import annotations

from fnmatch import fnmatchcase

CONFIG = "config.json"
TOKENIZER = "tokenizer.json"
WORDS, PIECES, MERGES = "vocab.txt", "vocab.json", "merges.txt"
TOKENIZER_CONFIG = "tokenizer_config.json"
SPECIAL_TOKENS = "special_tokens_map.json"
CHAT_TEMPLATE = "chat_template.jinja"
MODULES = "modules.json"
ROUTER_CONFIG = "router_config.json"
TRANSFORMER_SETTINGS = "sentence_bert_config.json"
SENTENCE_TRANSFORMERS = "config_sentence_transformers.json"
COLBERT_METADATA = "artifact.metadata"
ADAPTER = "adapter_config.json"
ADAPTER_WEIGHTS = "adapter_model.safetensors"
WEIGHTS = "model.safetensors"
SHARD_INDEX = "model.safetensors.index.json"
SHARDS = "model-*.safetensors"
SPARSE_LINEAR, COLBERT_LINEAR = "sparse_linear.pt", "colbert_linear.pt"
TORCH_SUFFIXES = (".bin", ".pt")
TORCH_WEIGHTS = "pytorch_model.bin"
TORCH_SHARD_INDEX = "pytorch_model.bin.index.json"
TORCH_SHARDS = "pytorch_model-*.bin"

_OF_ENCODER = (
    CONFIG,
    TOKENIZER,
    TOKENIZER_CONFIG,
    SPECIAL_TOKENS,
    CHAT_TEMPLATE,
    "sentence_*_config.json",
    ADAPTER,
    ADAPTER_WEIGHTS,
    WEIGHTS,
    SHARDS,
    SHARD_INDEX,
)
NEEDED_FILES: tuple[str, ...] = (
    *_OF_ENCODER,
    *(f"0_*/{name}" for name in _OF_ENCODER),
    *(f"document_0_*/{name}" for name in _OF_ENCODER),
    *(f"query_0_*/{name}" for name in (CONFIG, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS)),
    COLBERT_LINEAR,
    SPARSE_LINEAR,
    MODULES,
    ROUTER_CONFIG,
    SENTENCE_TRANSFORMERS,
    COLBERT_METADATA,
    f"*/{ADAPTER}",
    f"*/{ADAPTER_WEIGHTS}",
    "*_Pooling/config.json",
    "*_SpladePooling/config.json",
    "*_Dense/config.json",
    "*_Dense/model.safetensors",
    "*_LogitScore/config.json",
)
"""Patterns of the files that are always fetched. None of them can run code: what torch saved is never unpickled."""

TORCH_FILES = (TORCH_WEIGHTS, TORCH_SHARDS, TORCH_SHARD_INDEX)
"""Patterns of the weights that are fetched for a folder without safetensors; they are read and never unpickled."""


VOCABULARY_FILES = (WORDS, PIECES, MERGES, "sentencepiece.bpe.model", "spiece.model", "added_tokens.json")
"""Fetched for a folder without tokenizer.json."""

ONNX_FILES = ("onnx/model.onnx", "model.onnx")
"""The places of a ready ONNX file in fp32, in the order of choice; its weights may be in a file beside it."""

ONNX_PATTERNS = tuple(f"{name}{ending}" for name in ONNX_FILES for ending in ("", "_data*", ".data"))
"""Patterns of what is fetched for it."""


def is_needed(path: str) -> bool:
    """Tell if a file of a checkpoint, by its ``/``-separated path in it, is one that is fetched."""
    return any(fnmatchcase(path, pattern) for pattern in NEEDED_FILES)

"""The shapes of the small checkpoints, one entry a family, with the values that its published models have or vary."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

WORDS = 384
POSITIONS = 256


@dataclass(frozen=True)
class Family:
    """One small checkpoint.

    Attributes:
        model_type: Of its configuration, as transformers calls it.
        config: Values of the configuration beyond :data:`COMMON`.
        pooling: As sentence-transformers calls it.
        tokenizer: ``encoder`` puts [CLS] before and [SEP] behind a text, ``decoder`` an end-of-text behind it.
        dense: Widths of the dense layers behind the pooling, from the hidden size on.
        dtype: Of the stored weights; vectors are computed in fp32 with what is stored.
        positions: Token limit.
    """

    model_type: str
    config: dict[str, Any] = field(default_factory=dict)
    pooling: Literal["cls", "mean", "lasttoken"] = "mean"
    tokenizer: Literal["encoder", "decoder"] = "encoder"
    dense: tuple[int, ...] = ()
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    positions: int = POSITIONS


COMMON: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 3,
    "cls_token_id": 2,
    "sep_token_id": 3,
}

FAMILIES: dict[str, Family] = {
    "bert": Family("bert", pooling="cls", dtype="float16"),
}
"""By the name of the folder."""

"""Facts about architectures that are not written here; imports no package that knows them."""

from __future__ import annotations

OPTIMUM_KNOWS = frozenset({
    "albert", "bert", "big_bird", "bloom", "camembert", "convbert", "data2vec-text", "deberta", "deberta-v2",
    "distilbert", "electra", "gemma", "gemma2", "gemma3_text", "gpt2", "gpt_neo", "gpt_neox", "ibert", "llama",
    "longformer", "mistral", "mobilebert", "modernbert", "mpnet", "nystromformer", "opt", "phi", "phi3", "qwen2",
    "qwen3", "rembert", "roberta", "roformer", "squeezebert", "stablelm", "xlm", "xlm-roberta",
})  # fmt: skip
"""The text encoders that optimum traces, in the versions that the extra pins; messages name it for no other."""

_RESERVED_POSITIONS = frozenset(
    {"camembert", "data2vec-text", "ibert", "longformer", "mpnet", "roberta", "roberta-prelayernorm", "xlm-roberta"}
)
"""Architectures whose position table starts with rows for padding, as RoBERTa's does."""


def positions_of(model_type: str, rows: int | None, pad_token_id: int | None) -> int | None:
    """The most tokens that a position table of so many rows has positions for; None: it is not stated."""
    reserved = (pad_token_id or 0) + 1 if model_type in _RESERVED_POSITIONS else 0
    return rows - reserved if rows else None

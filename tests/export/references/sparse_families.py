"""The shapes of the small sparse encoders, one entry a family, with the layouts that published ones have."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

Layout = Literal["plain", "older", "newer", "router"]


@dataclass(frozen=True)
class SparseFamily:
    """One small checkpoint.

    Attributes:
        model_type: Of its configuration, as transformers calls it.
        layout: ``plain`` is transformers' own, without modules; ``older`` has the names of sentence-transformers 5.0,
            ``newer`` those of 6; ``router`` has a table of weights for queries.
        config: Values of the configuration beyond those that all families share.
        pooling: As sentence-transformers calls it.
        activation: As sentence-transformers calls it.
        max_active: Most values of a vector that are kept; None: all.
        dtype: Of the stored weights.
        bias: Mean of the bias of the words, below 0 so that vectors are sparse.
        prompts: By name.
        positions: Token limit.
    """

    model_type: str
    layout: Layout
    config: dict[str, Any] = field(default_factory=dict)
    pooling: Literal["max", "sum"] = "max"
    activation: Literal["relu", "log1p_relu"] = "relu"
    max_active: int | None = None
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    bias: float = -4.0
    prompts: dict[str, str] = field(default_factory=dict)
    positions: int = 256


SPARSE_FAMILIES: dict[str, SparseFamily] = {
    "splade-bert": SparseFamily("bert", "older", dtype="float16", bias=-2.0),
    "splade-distilbert": SparseFamily(
        "distilbert", "plain", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}, dtype="float16"
    ),
    "splade-modernbert": SparseFamily(
        "modernbert",
        "newer",
        {
            "num_hidden_layers": 2,
            "intermediate_size": 16,
            "local_attention": 9,
            "classifier_bias": True,
            "norm_bias": True,
            "tie_word_embeddings": False,
        },
        activation="log1p_relu",
    ),
    "splade-queries": SparseFamily(
        "distilbert",
        "router",
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "activation": "relu"},
        activation="log1p_relu",
    ),
    "splade-roberta": SparseFamily(
        "xlm-roberta",
        "newer",
        {"max_position_embeddings": 130, "pad_token_id": 1, "type_vocab_size": 1},
        pooling="sum",
        max_active=24,
        bias=-3.0,
        prompts={"query": "query: ", "document": "passage: "},
        positions=128,
    ),
}
"""By the name of the folder."""

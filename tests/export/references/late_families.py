"""The shapes of the small late-interaction checkpoints, one entry a family, in the layouts of published models."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from export.references.families import COMMON
from export.references.texts import SCRIPTS

WORDS = 300
POSITIONS = 64
DOCUMENTS = (
    "",
    "a",
    *SCRIPTS[:5],
    'Punctuation, of every kind: (brackets) [too], hyphens-and-dashes; it\'s "skipped"!',
    "x = f(y)[0] if y else None  # 3.14e-5",
    " ".join(f"word{number % 97} and" for number in range(200)),
)
QUERIES = ("", "what is a fox?", "how does [MASK] jump, and when", SCRIPTS[2], "one two three four " * 12)
POOL_FACTOR = 3
POOLED = "colbert"
"""The family whose documents are pooled too."""


@dataclass(frozen=True)
class LateFamily:
    """One small checkpoint.

    Attributes:
        model_type: Of its configuration, as transformers calls it.
        layout: ``colbert`` is that of ColBERT's authors, ``pylate`` PyLate's.
        settings: The values of ``artifact.metadata`` or ``config_sentence_transformers.json``.
        dense: Widths of the dense layers, from the hidden size on.
        config: Values of the configuration beyond COMMON.
        weights: Format of the file of weights.
    """

    model_type: str
    layout: Literal["colbert", "pylate"]
    settings: dict[str, Any]
    dense: tuple[int, ...] = (32, 16)
    config: dict[str, Any] = field(default_factory=dict)
    weights: Literal["safetensors", "torch"] = "safetensors"


SHAPE: dict[str, Any] = {**COMMON, "vocab_size": WORDS, "max_position_embeddings": POSITIONS, "intermediate_size": 32}

METADATA: dict[str, Any] = {
    "query_token_id": "[unused0]",
    "doc_token_id": "[unused1]",
    "query_token": "[Q]",
    "doc_token": "[D]",
    "similarity": "cosine",
    "dim": 16,
    "doc_maxlen": 36,
    "query_maxlen": 20,
    "mask_punctuation": True,
    "attend_to_mask_tokens": False,
    "interaction": "colbert",
    "checkpoint": "bert-base-uncased",
}

PYLATE: dict[str, Any] = {
    "model_type": "ColBERT",
    "prompts": {},
    "default_prompt_name": None,
    "similarity_fn_name": "MaxSim",
    "query_prefix": "[Q] ",
    "document_prefix": "[D] ",
    "query_length": 20,
    "document_length": 36,
    "attend_to_expansion_tokens": False,
    "skiplist_words": list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~"),
}

_MODERNBERT: dict[str, Any] = {
    "num_hidden_layers": 3,
    "global_attn_every_n_layers": 2,
    "intermediate_size": 24,
    "local_attention": 34,  # so that a long document sees a part of itself, and a query's last token its first ones
    "pad_token_id": 0,
}

LATE_FAMILIES = {
    "colbert": LateFamily("bert", "colbert", METADATA),
    "colbert-attending": LateFamily("bert", "colbert", {**METADATA, "attend_to_mask_tokens": True}, weights="torch"),
    "pylate-modernbert": LateFamily("modernbert", "pylate", PYLATE, config=_MODERNBERT),
    "pylate-unfilled": LateFamily(
        "bert",
        "pylate",
        {**PYLATE, "query_prefix": "[unused0]", "document_prefix": "[unused1]", "do_query_expansion": False},
        dense=(32, 40, 16),
    ),
}

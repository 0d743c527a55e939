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
        lora: Settings of a PEFT adapter that is saved beside the weights, and takes part in the vectors; None: none.
        spread: Standard deviation of the random weights; less where scores are not scaled, or attention has one winner.
    """

    model_type: str
    config: dict[str, Any] = field(default_factory=dict)
    pooling: Literal["cls", "mean", "lasttoken"] = "mean"
    tokenizer: Literal["encoder", "decoder"] = "encoder"
    dense: tuple[int, ...] = ()
    dtype: Literal["float32", "float16", "bfloat16"] = "bfloat16"
    positions: int = POSITIONS
    lora: dict[str, Any] | None = None
    spread: float = 0.3


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

DEBERTA_V3: dict[str, Any] = {
    "relative_attention": True,
    "pos_att_type": ["p2c", "c2p"],
    "share_att_key": True,
    "position_buckets": 32,
    "norm_rel_ebd": "layer_norm",
    "max_relative_positions": -1,
    "position_biased_input": False,
    "type_vocab_size": 0,
    "layer_norm_eps": 1e-7,
}

_T5: dict[str, Any] = {
    "d_model": 32,
    "d_kv": 12,
    "d_ff": 48,
    "num_layers": 2,
    "num_heads": 2,
    "is_encoder_decoder": False,
}

_DECODER: dict[str, Any] = {
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 12,  # the heads together are not as wide as a token
    "rms_norm_eps": 1e-5,
}

_LLAMA3 = {
    "rope_type": "llama3",
    "rope_theta": 500.0,
    "factor": 8.0,
    "low_freq_factor": 1.0,
    "high_freq_factor": 4.0,
    "original_max_position_embeddings": 64,
}

_GEMMA: dict[str, Any] = {
    "num_hidden_layers": 3,
    "num_attention_heads": 3,
    "num_key_value_heads": 1,
    "hidden_size": 24,
    "head_dim": 12,
    "query_pre_attn_scalar": 16,
    "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
    "rope_parameters": {
        "sliding_attention": {"rope_type": "default", "rope_theta": 50.0},
        "full_attention": {"rope_type": "default", "rope_theta": 3000.0},
    },
}


def _turning(theta: float) -> dict[str, Any]:
    return {"rope_parameters": {"rope_type": "default", "rope_theta": theta}}


_SLIDING = {"use_sliding_window": True}
_QWEN2: dict[str, Any] = {"head_dim": 8, **_turning(1000.0)}


def _decoder(model_type: str, config: dict[str, Any]) -> Family:
    """A decoder whose last token is the text's vector."""
    return Family(model_type, _DECODER | config, pooling="lasttoken", tokenizer="decoder", spread=0.2)


FAMILIES: dict[str, Family] = {
    "albert": Family(
        "albert", {"embedding_size": 16, "num_hidden_layers": 4, "num_hidden_groups": 2, "inner_group_num": 2}
    ),
    "bert": Family("bert", pooling="cls", dtype="float16"),
    "bert-lora": Family(
        "bert",
        {"max_position_embeddings": 96},
        positions=96,
        lora={
            "r": 2,
            "lora_alpha": 6,
            "use_rslora": True,
            "alpha_pattern": {"layer.1.output.dense": 9},
            "target_modules": ["query", "value", "dense", "word_embeddings"],
            "exclude_modules": ["pooler.dense"],
        },
    ),
    "camembert": Family("camembert", {"max_position_embeddings": 130, "pad_token_id": 1}, positions=128),
    "deberta-v2": Family(
        "deberta-v2",
        {
            "relative_attention": True,
            "pos_att_type": ["c2p", "p2c"],
            "max_relative_positions": 40,
            "type_vocab_size": 2,
            "embedding_size": 16,
            "hidden_act": "gelu_new",
        },
        pooling="cls",
    ),
    "deberta-v2-by-query": Family(
        "deberta-v2",
        {
            "relative_attention": True,
            "pos_att_type": "c2p",
            "position_buckets": 6,
            "max_relative_positions": 300,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
            "type_vocab_size": 1,
        },
    ),
    "deberta-v2-plain": Family("deberta-v2", {"pos_att_type": ["p2c"], "layer_norm_eps": 1e-5}),
    "deberta-v3": Family("deberta-v2", DEBERTA_V3),
    "distilbert": Family(
        "distilbert",
        {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48, "sinusoidal_pos_embds": True},
        pooling="cls",
        dense=(32, 16),
    ),
    "electra": Family("electra", {"embedding_size": 16}, pooling="cls"),
    "electra-wide": Family("electra", {"embedding_size": 32}),
    "eurobert": Family(
        "eurobert",
        {
            "num_attention_heads": 4,
            "num_key_value_heads": 2,
            "head_dim": 12,
            "rope_parameters": {"rope_type": "default", "rope_theta": 250000.0},
        },
        pooling="cls",
    ),
    "gemma3": Family(
        "gemma3_text",
        {**_GEMMA, "use_bidirectional_attention": True, "sliding_window": 9},
        tokenizer="decoder",
        dense=(24, 40, 24),
        spread=0.2,
    ),
    "gemma3-causal": Family(
        "gemma3_text",
        {**_GEMMA, "attention_bias": True, "sliding_window": 5},
        pooling="lasttoken",
        tokenizer="decoder",
        spread=0.2,
    ),
    "llama": _decoder("llama", {"attention_bias": True, "mlp_bias": True, "rope_parameters": _LLAMA3}),
    "mistral": _decoder("mistral", {"head_dim": None, "sliding_window": 6, **_turning(300.0)}),
    "mistral-whole": _decoder("mistral", {"sliding_window": None, "num_key_value_heads": 4, **_turning(20.0)}),
    "modernbert": Family(
        "modernbert", {"num_hidden_layers": 4, "intermediate_size": 40, "local_attention": 9}, pooling="cls"
    ),
    "modernbert-biases": Family(
        "modernbert",
        {
            "num_hidden_layers": 3,
            "local_attention": 8,
            "attention_bias": True,
            "mlp_bias": True,
            "norm_bias": True,
            "hidden_activation": "gelu_pytorch_tanh",
            "layer_types": ["sliding_attention", "full_attention", "sliding_attention"],
            "rope_parameters": {
                "full_attention": {"rope_type": "default", "rope_theta": 80000.0},
                "sliding_attention": {"rope_type": "default", "rope_theta": 5000.0},
            },
        },
        pooling="cls",
    ),
    "jina-v3": Family("jina_embeddings_v3", {"layer_norm_eps": 1e-5, "pad_token_id": 1, "type_vocab_size": 1}),
    "mpnet": Family("mpnet", {"max_position_embeddings": 258, "pad_token_id": 1}),
    "nomic": Family("nomic_bert", pooling="cls"),
    "nomic-lora": Family(
        "nomic_bert",
        {"max_position_embeddings": 96},
        positions=96,
        lora={"r": 2, "lora_alpha": 3, "target_modules": ["q_proj", "v_proj", "o_proj", "gate_proj", "down_proj"]},
    ),
    "qwen2": _decoder("qwen2", {**_SLIDING, "sliding_window": 7, "max_window_layers": 1, **_QWEN2}),
    "qwen2-both-ways": _decoder("qwen2", {"is_causal": False, "hidden_act": "gelu", **_QWEN2}),
    "qwen3": _decoder("qwen3", _turning(1_000_000.0)),
    "qwen3-biases": _decoder(
        "qwen3",
        {
            **_SLIDING,
            "sliding_window": 4,
            "layer_types": ["sliding_attention", "full_attention"],
            "attention_bias": True,
            "rope_parameters": {"rope_type": "linear", "rope_theta": 100.0, "factor": 3.0},
        },
    ),
    "t5": Family("t5", {**_T5, "feed_forward_proj": "relu"}, dense=(32, 24), spread=0.2),
    "t5-gated": Family("t5", {**_T5, "feed_forward_proj": "gated-gelu"}, spread=0.2),
}
"""By the name of the folder."""

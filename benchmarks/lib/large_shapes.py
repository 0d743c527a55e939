"""Checkpoints in the shapes of larger models: random weights, which have a speed and no quality.

All of them have MiniLM's tokenizer and vocabulary of 30,522 tokens, where bge-m3 has 250,002 and Qwen3 151,669: one
row of the table is read for each token, so its size costs memory and no time, and the same texts have the same lengths
for every shape.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

from embed_plugin.export.architectures.registry import ARCHITECTURES
from lib.checkpoints import Shape, lay_out, pooling_config, random_weights, read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

    Weights = dict[str, np.ndarray[Any, np.dtype[np.float32]]]

VOCABULARY = 30522


@dataclass(frozen=True)
class LargeShape:
    """The shape of a larger model.

    Attributes:
        name: Its name for ``--shapes``.
        label: Its name in the tables.
        pooling: ``cls``, or ``last``.
        max_tokens: Token limit of a text.
        config: What its ``config.json`` says, the vocabulary apart.
    """

    name: str
    label: str
    pooling: str
    max_tokens: int
    config: dict[str, Any]

    @property
    def model_type(self) -> str:
        """Its architecture in ``config.json``."""
        return str(self.config["model_type"])

    @property
    def is_native(self) -> bool:
        """True if this project's own exporter writes its graph."""
        return any(self.model_type in family.model_types for family in ARCHITECTURES)


_ENCODER = {"hidden_act": "gelu", "type_vocab_size": 2, "vocab_size": VOCABULARY}
_BGE_BASE = {
    "model_type": "bert",
    "architectures": ["BertModel"],
    "num_hidden_layers": 12,
    "hidden_size": 768,
    "num_attention_heads": 12,
    "intermediate_size": 3072,
    "max_position_embeddings": 512,
    "layer_norm_eps": 1e-12,
    "pad_token_id": 0,
}
_BGE_M3 = {
    "model_type": "xlm-roberta",
    "architectures": ["XLMRobertaModel"],
    "num_hidden_layers": 24,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "intermediate_size": 4096,
    "max_position_embeddings": 8194,
    "layer_norm_eps": 1e-5,
    "pad_token_id": 1,
}
_QWEN3 = {
    "model_type": "qwen3",
    "architectures": ["Qwen3ForCausalLM"],
    "num_hidden_layers": 28,
    "hidden_size": 1024,
    "num_attention_heads": 16,
    "num_key_value_heads": 8,
    "head_dim": 128,
    "intermediate_size": 3072,
    "max_position_embeddings": 32768,
    "rms_norm_eps": 1e-6,
    "rope_theta": 1_000_000,
    "hidden_act": "silu",
    "attention_bias": False,
    "use_sliding_window": False,
    "sliding_window": None,
    "tie_word_embeddings": True,
    "vocab_size": VOCABULARY,
}
_EVERY = (
    LargeShape("bge-base", "bge-base's shape (12 layers, 768 wide, CLS pooling)", "cls", 512, _ENCODER | _BGE_BASE),
    LargeShape("bge-m3", "bge-m3's shape (XLM-R, 24 layers, 1024 wide, CLS pooling)", "cls", 8192, _ENCODER | _BGE_M3),
    LargeShape("qwen3-0.6b", "Qwen3-0.6B's shape (28 layers, 1024 wide, last token)", "last", 8192, _QWEN3),
)
LARGE_SHAPES = {shape.name: shape for shape in _EVERY}


def make_large_checkpoint(shape: LargeShape, folder: Path) -> None:
    """Write the checkpoint of a shape into a folder."""
    lay_out(folder, max_tokens=shape.max_tokens)
    write_json(folder / "config.json", shape.config)
    write_json(folder / "1_Pooling" / "config.json", pooling_config(shape.pooling, shape.config["hidden_size"]))
    tokenizer_settings = read_json(folder / "tokenizer_config.json")
    write_json(folder / "tokenizer_config.json", {**tokenizer_settings, "tokenizer_class": "PreTrainedTokenizerFast"})
    config = shape.config
    if shape.model_type == "qwen3":
        weights = random_decoder_weights(config)
    else:
        sizes = Shape(config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])
        weights = random_weights(sizes, vocabulary=VOCABULARY, positions=config["max_position_embeddings"])
    save_file(weights, folder / "model.safetensors")


def random_decoder_weights(config: dict[str, Any]) -> Weights:
    """Qwen3's weights, drawn like BERT's: normal with deviation 0.02, norms one. It has no biases."""
    rng = np.random.default_rng(0)
    hidden, wide, head = config["hidden_size"], config["intermediate_size"], config["head_dim"]
    queries, keys = config["num_attention_heads"] * head, config["num_key_value_heads"] * head
    matrices = {"embed_tokens": (config["vocab_size"], hidden)}
    norms = {"norm": hidden}
    for layer in (f"layers.{index}" for index in range(config["num_hidden_layers"])):
        attention = {"q_proj": (queries, hidden), "k_proj": (keys, hidden), "v_proj": (keys, hidden)}
        matrices |= {f"{layer}.self_attn.{name}": size for name, size in attention.items()}
        matrices |= {f"{layer}.self_attn.o_proj": (hidden, queries), f"{layer}.mlp.down_proj": (hidden, wide)}
        matrices |= {f"{layer}.mlp.gate_proj": (wide, hidden), f"{layer}.mlp.up_proj": (wide, hidden)}
        norms |= {f"{layer}.input_layernorm": hidden, f"{layer}.post_attention_layernorm": hidden}
        norms |= {f"{layer}.self_attn.q_norm": head, f"{layer}.self_attn.k_norm": head}
    weights = {
        f"{name}.weight": (0.02 * rng.standard_normal(size)).astype(np.float32) for name, size in matrices.items()
    }
    return weights | {f"{name}.weight": np.ones(size, np.float32) for name, size in norms.items()}

"""Checkpoints of the shapes of published decoders, with random weights: for memory and time, no quality is claimed."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

ROWS_AT_ONCE = 8192
TOKENS = 4000
END = "<|endoftext|>"
MODULES = "sentence_transformers.models"


@dataclass(frozen=True)
class DecoderShape:
    """The sizes and choices of one model.

    Attributes:
        config: Its ``config.json``.
        pooling: ``lasttoken`` or ``mean``.
        norms: Names of a layer's norms of whole tokens.
        dense: Widths of the dense layers behind the pooling.
    """

    config: dict[str, Any]
    pooling: str
    norms: tuple[str, ...]
    dense: tuple[int, ...] = ()

    def tensors(self) -> dict[str, tuple[int, ...]]:
        """The shape of every weight of the transformer."""
        config = self.config
        hidden, size, wide = config["hidden_size"], config["head_dim"], config["intermediate_size"]
        heads, kv_heads = size * config["num_attention_heads"], size * config["num_key_value_heads"]
        found: dict[str, tuple[int, ...]] = {
            "embed_tokens.weight": (config["vocab_size"], hidden),
            "norm.weight": (hidden,),
        }
        for layer in (f"layers.{index}" for index in range(config["num_hidden_layers"])):
            rows = {"q_proj": heads, "k_proj": kv_heads, "v_proj": kv_heads}
            found |= {f"{layer}.self_attn.{name}.weight": (count, hidden) for name, count in rows.items()}
            found |= {f"{layer}.self_attn.{name}.weight": (size,) for name in ("q_norm", "k_norm")}
            found[f"{layer}.self_attn.o_proj.weight"] = (hidden, heads)
            found |= {f"{layer}.mlp.{name}.weight": (wide, hidden) for name in ("gate_proj", "up_proj")}
            found[f"{layer}.mlp.down_proj.weight"] = (hidden, wide)
            found |= {f"{layer}.{norm}.weight": (hidden,) for norm in self.norms}
        return found


_QWEN3 = {"model_type": "qwen3", "vocab_size": 151_669, "hidden_size": 1024, "num_hidden_layers": 28}
_GEMMA = {"model_type": "gemma3_text", "vocab_size": 262_144, "hidden_size": 768, "num_hidden_layers": 24}

SHAPES = {
    "qwen3-0.6b": DecoderShape(
        _QWEN3
        | {"num_attention_heads": 16, "num_key_value_heads": 8, "head_dim": 128, "intermediate_size": 3072}
        | {"hidden_act": "silu", "max_position_embeddings": 32_768, "rms_norm_eps": 1e-6, "rope_theta": 1_000_000},
        pooling="lasttoken",
        norms=("input_layernorm", "post_attention_layernorm"),
    ),
    "embeddinggemma-300m": DecoderShape(
        _GEMMA
        | {"num_attention_heads": 3, "num_key_value_heads": 1, "head_dim": 256, "intermediate_size": 1152}
        | {"hidden_activation": "gelu_pytorch_tanh", "max_position_embeddings": 2048, "rms_norm_eps": 1e-6}
        | {"query_pre_attn_scalar": 256, "rope_theta": 1_000_000.0, "rope_local_base_freq": 10_000.0}
        | {"sliding_window": 512, "use_bidirectional_attention": True},
        pooling="mean",
        norms=tuple(f"{name}_layernorm" for name in ("input", "post_attention", "pre_feedforward", "post_feedforward")),
        dense=(768, 3072, 768),
    ),
}
"""Qwen3-Embedding-0.6B's and EmbeddingGemma-300m's."""


def make_checkpoint(shape: DecoderShape, folder: Path) -> int:
    """Write a checkpoint, tensor by tensor, in bfloat16; returns its number of weights."""
    folder.mkdir(parents=True)
    _write_modules(shape, folder)
    _write(folder / "config.json", shape.config)
    _write(folder / "sentence_bert_config.json", {"max_seq_length": 512, "do_lower_case": False})
    _tokenizer().save(str(folder / "tokenizer.json"))
    weights = write_weights(folder / "model.safetensors", shape.tensors())
    for index, (inputs, outputs) in enumerate(zip(shape.dense, shape.dense[1:], strict=False), 2):
        weights += write_weights(folder / f"{index}_Dense" / "model.safetensors", {"linear.weight": (outputs, inputs)})
    return weights


def write_weights(path: Path, tensors: dict[str, tuple[int, ...]]) -> int:
    """Write random tensors as safetensors in bfloat16, some rows at a time; returns their number of values."""
    header, end = {}, 0
    for name, shape in tensors.items():
        begin, end = end, end + 2 * math.prod(shape)
        header[name] = {"dtype": "BF16", "shape": shape, "data_offsets": [begin, end]}
    head = json.dumps(header).encode()
    rng = np.random.default_rng(0)
    with path.open("wb") as file:
        file.write(len(head).to_bytes(8, "little") + head)
        for name, shape in tensors.items():
            for values in _random(name, shape, rng):
                file.write((values.view(np.uint32) >> 16).astype("<u2").tobytes())
    return end // 2


def _random(name: str, shape: tuple[int, ...], rng: np.random.Generator) -> Iterator[npt.NDArray[np.float32]]:
    """Values as they are before training: normal with deviation 0.02; norms near one."""
    if len(shape) == 1:
        yield 1 + np.float32(0.1) * rng.standard_normal(shape, np.float32)
        return
    spread = np.float32(1 if name.startswith("embed") else 0.02)
    for first in range(0, shape[0], ROWS_AT_ONCE):
        rows = min(ROWS_AT_ONCE, shape[0] - first)
        yield spread * rng.standard_normal((rows, *shape[1:]), np.float32)


def _write_modules(shape: DecoderShape, folder: Path) -> None:
    """The files that tell sentence-transformers what comes behind the transformer."""
    kinds = ["Transformer", "Pooling", *["Dense"] * (len(shape.dense) - 1 if shape.dense else 0), "Normalize"]
    paths = ["", *[f"{index}_{kind}" for index, kind in enumerate(kinds[1:], 1)]]
    listed = enumerate(zip(kinds, paths, strict=True))
    _write(
        folder / "modules.json",
        [{"idx": i, "name": str(i), "path": path, "type": f"{MODULES}.{kind}"} for i, (kind, path) in listed],
    )
    for path in paths[1:]:
        (folder / path).mkdir()
    modes = {"pooling_mode_cls_token": False, "pooling_mode_mean_tokens": shape.pooling == "mean"}
    modes |= {"pooling_mode_max_tokens": False, "pooling_mode_lasttoken": shape.pooling == "lasttoken"}
    _write(folder / paths[1] / "config.json", {"word_embedding_dimension": shape.config["hidden_size"], **modes})
    for index, (inputs, outputs) in enumerate(zip(shape.dense, shape.dense[1:], strict=False), 2):
        facts = {"in_features": inputs, "out_features": outputs, "bias": False}
        identity = {"activation_function": "torch.nn.modules.linear.Identity"}
        _write(folder / f"{index}_Dense" / "config.json", facts | identity)


def _tokenizer() -> Tokenizer:
    """A byte-level BPE of a few thousand words, trained on the built-in calibration texts."""
    texts = files("embed_plugin.export.int8").joinpath("built_in_texts.jsonl").read_text(encoding="utf-8")
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=TOKENS, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator([json.loads(line)["text"] for line in texts.splitlines()], trainer)
    made.post_processor = processors.TemplateProcessing(single=f"$A {END}", special_tokens=[(END, 0)])
    return made


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content), encoding="utf-8")

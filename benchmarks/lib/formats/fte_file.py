"""Write a checkpoint of bge-small's shape as the two files that fasttextembed reads: `model.fte` and `vocab.tsv`.

Its engine is compiled for that shape and looks weights up by the names of the ONNX export that its own model came from.
Weights of products and tables are half floats there, biases and norms single ones.
"""

from __future__ import annotations

import json
import struct
from typing import TYPE_CHECKING, Any

import numpy as np
from safetensors.numpy import load_file

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    Tensors = Mapping[str, npt.NDArray[np.float32]]

MAGIC, VERSION = 0x31455446, 2
ALIGNMENT = 64
LAYERS, HIDDEN, HEADS, FEED_FORWARD, VOCABULARY, POSITIONS = 12, 384, 12, 1536, 30522, 512
HEADER = struct.Struct("<QQ11I")
ENTRY = struct.Struct("<QQ64s6i")
SINGLE, HALF = 0, 1
FIRST_PRODUCT, PRODUCTS_OF_A_LAYER = 1536, 13
"""Numbers in the names of products: of the first layer's output projection, and between layers."""


def write_fte(checkpoint: Path, folder: Path) -> None:
    """Write both files into a folder.

    Raises:
        ValueError: the checkpoint has another shape than the one that the engine is compiled for.
    """
    config = json.loads((checkpoint / "config.json").read_text(encoding="utf-8"))
    pooling = json.loads((checkpoint / "1_Pooling" / "config.json").read_text(encoding="utf-8"))
    _require_shape(config, is_cls=bool(pooling.get("pooling_mode_cls_token")))
    folder.mkdir(parents=True, exist_ok=True)
    _write_tensors(_renamed(load_file(checkpoint / "model.safetensors")), folder / "model.fte")
    tokenizer = json.loads((checkpoint / "tokenizer.json").read_text(encoding="utf-8"))
    lines = (f"{token}\t{number}\n" for token, number in tokenizer["model"]["vocab"].items())
    (folder / "vocab.tsv").write_text("".join(lines), encoding="utf-8")


def _require_shape(config: Mapping[str, Any], *, is_cls: bool) -> None:
    names = ("num_hidden_layers", "hidden_size", "num_attention_heads", "intermediate_size", "vocab_size")
    found = tuple(config.get(name) for name in names)
    if found != (LAYERS, HIDDEN, HEADS, FEED_FORWARD, VOCABULARY) or not is_cls:
        shape = f"{found[0]} layers, {found[1]} wide, {'CLS' if is_cls else 'another'} pooling"
        raise ValueError(
            f"fasttextembed is compiled for bge-small alone (12 layers, 384 wide, CLS pooling); this model has {shape}"
        )


def _renamed(weights: Tensors) -> dict[str, npt.NDArray[np.float32]]:
    """The weights under the names that the engine looks up; products are transposed, three of a layer are joined."""
    kept = {name: values for name, values in weights.items() if values.ndim == 1 and ".self." not in name}
    kept |= {name: values for name, values in weights.items() if name.startswith("embeddings.")}
    for layer in range(LAYERS):
        prefix = f"encoder.layer.{layer}"
        joined = [f"{prefix}.attention.self.{part}" for part in ("query", "key", "value")]
        kept[f"Attention_{layer}_qkv_weight"] = np.concatenate([weights[f"{name}.weight"].T for name in joined], axis=1)
        kept[f"Attention_{layer}_qkv_bias"] = np.concatenate([weights[f"{name}.bias"] for name in joined])
        for place, part in enumerate(("attention.output.dense", "intermediate.dense", "output.dense")):
            number = FIRST_PRODUCT + PRODUCTS_OF_A_LAYER * layer + place
            kept[f"onnx::MatMul_{number}"] = weights[f"{prefix}.{part}.weight"].T
    return {name: values for name, values in kept.items() if name != "embeddings.position_ids"}


def _write_tensors(tensors: Tensors, path: Path) -> None:
    """A header, a table of tensors, and the tensors, each at a multiple of 64 bytes."""
    table_at = _aligned(HEADER.size)
    blob_at = _aligned(table_at + ENTRY.size * len(tensors))
    sizes = (HIDDEN, LAYERS, HEADS, FEED_FORWARD, VOCABULARY, POSITIONS, 2, len(tensors), 0)
    at = blob_at
    with path.open("wb") as file:
        file.write(HEADER.pack(table_at, blob_at, MAGIC, VERSION, *sizes))
        for row, (name, values) in enumerate(tensors.items()):
            is_matrix = values.ndim > 1
            stored = np.ascontiguousarray(values, dtype=np.float16 if is_matrix else np.float32)
            shape = (*stored.shape, 0, 0, 0)[:4]
            kind = HALF if is_matrix else SINGLE
            file.seek(table_at + ENTRY.size * row)
            file.write(ENTRY.pack(at, stored.nbytes, name.encode(), stored.ndim, *shape, kind))
            file.seek(at)
            file.write(stored.tobytes())
            at = _aligned(at + stored.nbytes)


def _aligned(offset: int) -> int:
    return -(-offset // ALIGNMENT) * ALIGNMENT

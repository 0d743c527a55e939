"""A reranker of ms-marco-MiniLM-L6's shape with random weights, which every contender reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from safetensors.numpy import save_file

from lib.checkpoints import MAX_TOKENS, Shape, lay_out, random_weights, read_json, write_json

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = Shape(6, 384, 1536)
SPREAD = 2.5
"""Factor of the initial weights: with less, all pairs have nearly one score."""


def make_reranker(folder: Path, shape: Shape = SHAPE) -> None:
    """Write the checkpoint, laid out as ms-marco-MiniLM-L6-v2 is: one label, and the model's number as its score."""
    lay_out(folder, max_tokens=MAX_TOKENS)
    for name in ("modules.json", "sentence_bert_config.json"):
        (folder / name).unlink()
    (folder / "1_Pooling").rmdir()
    config = read_json(folder / "config.json")
    config |= {
        "architectures": ["BertForSequenceClassification"],
        "num_hidden_layers": shape.layers,
        "id2label": {"0": "LABEL_0"},
        "label2id": {"LABEL_0": 0},
        "sentence_transformers": {"activation_fn": "torch.nn.modules.linear.Identity"},
    }
    write_json(folder / "config.json", config)
    encoder = random_weights(shape, vocabulary=30522, positions=MAX_TOKENS)
    weights = {f"bert.{name}": SPREAD * each if each.ndim > 1 else each for name, each in encoder.items()}
    rng = np.random.default_rng(1)
    for name, size in {"bert.pooler.dense": (shape.hidden, shape.hidden), "classifier": (1, shape.hidden)}.items():
        weights[f"{name}.weight"] = (0.05 * rng.standard_normal(size)).astype(np.float32)
        weights[f"{name}.bias"] = np.zeros(size[0], np.float32)
    save_file(weights, folder / "model.safetensors")

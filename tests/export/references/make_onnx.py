"""Write a small checkpoint with a ready ONNX file by optimum, and sentence-transformers' vectors of its weights.

Needs optimum, sentence-transformers and torch. The file is of opset 14, as most published ones are.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import torch
from optimum.exporters.onnx import onnx_export_from_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Pooling, Transformer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.texts import TEXTS  # noqa: E402 - this file is run as a program

torch.manual_seed(4)
folder = HERE / "onnx-bert"
shutil.rmtree(folder, ignore_errors=True)
config = BertConfig(
    vocab_size=384,
    hidden_size=16,
    num_hidden_layers=2,
    num_attention_heads=2,
    intermediate_size=24,
    max_position_embeddings=96,
)
model = BertModel(config, add_pooling_layer=False).eval()
for values in model.parameters():
    values.data = values.data + 0.3 * torch.randn_like(values) if values.ndim == 1 else torch.randn_like(values) * 0.3
with tempfile.TemporaryDirectory() as parts:
    model.save_pretrained(parts)
    PreTrainedTokenizerFast(
        tokenizer_file=str(HERE / "encoder.json"),
        model_max_length=96,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")},
    ).save_pretrained(parts)
    transformer = Transformer(parts)
    whole = SentenceTransformer(modules=[transformer, Pooling(16, "mean")], device="cpu")
    whole.save(str(folder))
    np.save(folder / "vectors.npy", np.stack([whole.encode([text])[0] for text in TEXTS]))
    exported = Path(parts) / "onnx"
    onnx_export_from_model(model, exported, opset=14, task="feature-extraction", do_validation=False)
    (folder / "onnx").mkdir()
    shutil.copy(exported / "model.onnx", folder / "onnx")
for name in ("README.md", "tokenizer.json", "model.safetensors"):
    (folder / name).unlink(missing_ok=True)

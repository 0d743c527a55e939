"""Write small checkpoints with ready ONNX files by optimum, and sentence-transformers' vectors of their weights.

Needs optimum, sentence-transformers and torch. `bert` is a checkpoint whose file gives token vectors, of opset 14 as
most published ones are; `pooled` has files, one a way of pooling, that give the text's vector too, as optimum exports a
sentence-transformers model, in two opsets. Without a name, both are written.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import onnx
import torch
from optimum.exporters.onnx import main_export, onnx_export_from_model
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.texts import TEXTS  # noqa: E402 - this file is run as a program

OPSETS = {"mean": 14, "cls": 18, "max": 18, "lasttoken": 14, "dense": 14}
"""By the way of pooling; `dense` is the mean, behind which is a dense layer."""


def save_bert(folder: Path, **shape: int) -> BertModel:
    """Save a random BERT with the tokenizer, and return it."""
    torch.manual_seed(4)
    config = BertConfig(vocab_size=384, max_position_embeddings=96, num_attention_heads=2, **shape)
    model = BertModel(config, add_pooling_layer=False).eval()
    for values in model.parameters():
        spread = torch.randn_like(values) * 0.3
        values.data = values.data + spread if values.ndim == 1 else spread
    model.save_pretrained(folder)
    PreTrainedTokenizerFast(
        tokenizer_file=str(HERE / "encoder.json"),
        model_max_length=96,
        **{f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep")},
    ).save_pretrained(folder)
    return model


def vectors(model: SentenceTransformer) -> np.ndarray:
    """One row a text, each encoded alone."""
    return np.stack([model.encode([text])[0] for text in TEXTS])


def write_bert(parts: Path) -> None:
    """Write the checkpoint with token vectors."""
    folder = HERE / "onnx-bert"
    shutil.rmtree(folder, ignore_errors=True)
    model = save_bert(parts, hidden_size=16, num_hidden_layers=2, intermediate_size=24)
    whole = SentenceTransformer(modules=[Transformer(str(parts)), Pooling(16, "mean")], device="cpu")
    whole.save(str(folder))
    np.save(folder / "vectors.npy", vectors(whole))
    onnx_export_from_model(model, parts / "onnx", opset=14, task="feature-extraction", do_validation=False)
    (folder / "onnx").mkdir()
    shutil.copy(parts / "onnx" / "model.onnx", folder / "onnx")
    for name in ("README.md", "tokenizer.json", "model.safetensors"):
        (folder / name).unlink(missing_ok=True)


def write_pooled(parts: Path) -> None:
    """Write the files that pool."""
    folder = HERE / "onnx-pooled"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    save_bert(parts, hidden_size=4, num_hidden_layers=1, intermediate_size=12)
    for name, opset in OPSETS.items():
        dense = [Dense(4, 3, activation_function=torch.nn.Tanh())] if name == "dense" else []
        pooling = Pooling(4, "mean" if name == "dense" else name)
        modules = [Transformer(str(parts)), pooling, *dense, *([] if name == "cls" else [Normalize()])]
        whole = SentenceTransformer(modules=modules, device="cpu")
        whole.save(str(parts / name))
        exported = parts / f"{name}-onnx"
        main_export(
            str(parts / name),
            exported,
            task="feature-extraction",
            library_name="sentence_transformers",
            opset=opset,
            do_validation=False,
        )
        shorten(exported / "model.onnx", folder / f"{name}.onnx")
        np.save(folder / f"{name}.npy", vectors(whole))
    (folder / "config.json").write_text(json.dumps({"model_type": "bert", "max_position_embeddings": 96}) + "\n")


def shorten(path: Path, to: Path) -> None:
    """Copy a file with short names, which are most of its bytes."""
    model = onnx.load(path)
    kept = {value.name for value in (*model.graph.input, *model.graph.output)}
    names: dict[str, str] = {}

    def short(name: str) -> str:
        return name if not name or name in kept else names.setdefault(name, f"v{len(names)}")

    def rename(graph: onnx.GraphProto) -> None:
        for tensor in graph.initializer:
            tensor.name = short(tensor.name)
        for node in graph.node:
            node.ClearField("name")
            node.input[:] = [short(name) for name in node.input]
            node.output[:] = [short(name) for name in node.output]
            for attribute in node.attribute:
                if attribute.HasField("g"):
                    rename(attribute.g)
        for output in graph.output:
            output.name = short(output.name)

    rename(model.graph)
    del model.graph.value_info[:]
    onnx.checker.check_model(model)
    onnx.save(model, to)


def main() -> None:
    """Write what is named, or all."""
    writers = {"bert": write_bert, "pooled": write_pooled}
    for name in sys.argv[1:] or writers:
        with tempfile.TemporaryDirectory() as parts:
            writers[name](Path(parts))


if __name__ == "__main__":
    main()

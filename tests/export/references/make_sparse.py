"""Write the small sparse encoders and their reference vectors, as ``make.py`` does for embedding models.

Needs the same environment: ``python tests/export/references/make_sparse.py``, or with the names of families.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import warnings
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
import transformers.utils.logging
from sentence_transformers import SparseEncoder
from sentence_transformers.base.modules import Router, Transformer
from sentence_transformers.sparse_encoder.modules import SparseStaticEmbedding, SpladePooling
from transformers import AutoConfig, AutoModelForMaskedLM, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.families import COMMON, WORDS  # noqa: E402 - this file is run as a program
from export.references.make import LARGEST, SPECIAL, tokenizer  # noqa: E402
from export.references.sparse_families import SPARSE_FAMILIES, SparseFamily  # noqa: E402
from export.references.texts import TEXTS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OLDER = "sentence_transformers.sparse_encoder.models"


def random_model(name: str, family: SparseFamily) -> torch.nn.Module:
    """A masked language model whose norms and biases are random too; words are rarely positive."""
    torch.manual_seed(zlib.crc32(name.encode()))
    config = AutoConfig.for_model(family.model_type, **{**COMMON, **family.config})
    model = AutoModelForMaskedLM.from_config(config)
    for values in model.parameters():
        spread = torch.randn_like(values) * 0.3
        values.data = values.data + spread if values.ndim == 1 else spread
        if values.shape == (WORDS,):
            values.data += family.bias
    return model.to(getattr(torch, family.dtype))


def save(name: str, family: SparseFamily, folder: Path) -> None:
    """Save the checkpoint in the family's layout, with a tokenizer in each folder that has one."""
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer("encoder"),
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=family.positions,
        **SPECIAL,
    )
    with tempfile.TemporaryDirectory() as parts:
        random_model(name, family).save_pretrained(parts)
        wrapped.save_pretrained(parts)
        if family.layout == "plain":
            shutil.copytree(parts, folder)
            return
        dtype = {"dtype": getattr(torch, family.dtype)}
        transformer = Transformer(parts, transformer_task="fill-mask", model_kwargs=dtype)
        transformer.processor = wrapped
        pooling = SpladePooling(family.pooling, family.activation)
        modules = [transformer, pooling]
        if family.layout == "router":
            table = SparseStaticEmbedding(wrapped, weight=torch.rand(WORDS) * 5, frozen=True)
            modules = [Router.for_query_document(query_modules=[table], document_modules=modules)]
        model = SparseEncoder(modules=modules, max_active_dims=family.max_active, prompts=family.prompts)
        model.save_pretrained(str(folder))
    if family.layout == "older":
        name_as_older(folder)


def name_as_older(folder: Path) -> None:
    """Write modules and settings as sentence-transformers 5.0 did."""
    change(folder / "modules.json", _older_types)
    change(folder / "1_SpladePooling" / "config.json", _older_pooling)
    limit = json.loads((folder / "tokenizer_config.json").read_text())["model_max_length"]
    change(folder / "sentence_bert_config.json", lambda _: {"max_seq_length": limit, "do_lower_case": False})


def _older_types(modules: list[dict[str, object]]) -> list[dict[str, object]]:
    kinds = ("MLMTransformer", "SpladePooling")
    return [each | {"type": f"{OLDER}.{kind}.{kind}"} for each, kind in zip(modules, kinds, strict=True)]


def _older_pooling(config: dict[str, object]) -> dict[str, object]:
    config.pop("embedding_dimension", None)
    return config | {"word_embedding_dimension": WORDS}


def change(path: Path, how: Callable[..., object]) -> None:
    """Write a JSON file anew."""
    path.write_text(json.dumps(how(json.loads(path.read_text())), indent=2) + "\n")


def load(folder: Path) -> SparseEncoder:
    """Load a checkpoint, in fp32, with the tokenizers that were saved."""
    model = SparseEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    for path in sorted(folder.rglob("tokenizer.json")):
        saved = PreTrainedTokenizerFast.from_pretrained(path.parent)
        routes = model[0].sub_modules if isinstance(model[0], Router) else {}
        first = [model[0], *(route[0] for route in routes.values())]
        for module in first:
            if isinstance(module, SparseStaticEmbedding):
                module.tokenizer = saved
            elif isinstance(module, Transformer):
                module.processor = saved
    return model


def rows(encode: Callable[..., list[torch.Tensor]], texts: Sequence[str]) -> np.ndarray:
    """One row a text, each encoded alone."""
    options = {"batch_size": 1, "show_progress_bar": False, "convert_to_sparse_tensor": False}
    return np.stack([encode([text], **options)[0].numpy() for text in texts])


def write(name: str) -> None:
    """Write one family's folder; its tokenizer is beside it, shared with others."""
    family, folder = SPARSE_FAMILIES[name], HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    save(name, family, folder)
    model = load(folder)
    documents, queries = rows(model.encode_document, TEXTS), rows(model.encode_query, [t for t in TEXTS if t.strip()])
    np.savez_compressed(folder / "vectors.npz", documents=documents, queries=queries)
    for path in folder.rglob("tokenizer.json"):
        path.unlink()
    (folder / "README.md").unlink(missing_ok=True)
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    if size > LARGEST:
        raise SystemExit(f"{name} has {size:,} bytes, expected at most {LARGEST:,}: give it smaller shapes")


def main() -> None:
    """Write the named families, or all of them."""
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or SPARSE_FAMILIES:
        write(name)


if __name__ == "__main__":
    main()

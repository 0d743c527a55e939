"""Write the small checkpoint in the layout of bge-m3, and what it gives: vectors, weights of words, and token vectors.

Needs the environment of ``make.py``. FlagEmbedding, which published the model, is not needed: the weights are its
formula, relu of a linear layer on each token's vector, the largest of a word, without the special tokens.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import warnings
from pathlib import Path

import numpy as np
import torch
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Normalize, Pooling, Transformer
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.families import COMMON, WORDS  # noqa: E402 - this file is run as a program
from export.references.make import SPECIAL, tokenizer, vectors  # noqa: E402
from export.references.texts import TEXTS  # noqa: E402

NAME = "bge-m3"
CONFIG = {"max_position_embeddings": 98, "pad_token_id": 1, "type_vocab_size": 1, "vocab_size": WORDS}


def save(folder: Path) -> SentenceTransformer:
    """Save the checkpoint, and return it with its tokenizer."""
    torch.manual_seed(3)
    model = AutoModel.from_config(AutoConfig.for_model("xlm-roberta", **{**COMMON, **CONFIG}))
    for values in model.parameters():
        spread = torch.randn_like(values) * 0.3
        values.data = values.data + spread if values.ndim == 1 else spread
    wrapped = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer("encoder"), model_max_length=96, **{**SPECIAL, "eos_token": SPECIAL["sep_token"]}
    )
    with tempfile.TemporaryDirectory() as parts:
        model.to(torch.float16).save_pretrained(parts)
        wrapped.save_pretrained(parts)
        transformer = Transformer(parts)
        transformer.processor = wrapped
        SentenceTransformer(modules=[transformer, Pooling(32, "cls"), Normalize()]).save(str(folder))
    linear = torch.nn.Linear(32, 1)
    linear.bias.data += 0.5  # so that about half of the tokens have a weight
    torch.save(linear.to(torch.float16).state_dict(), folder / "sparse_linear.pt")
    torch.save(torch.nn.Linear(32, 32).to(torch.float16).state_dict(), folder / "colbert_linear.pt")
    loaded = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    loaded[0].processor = wrapped
    return loaded


def hidden(model: SentenceTransformer, text: str) -> tuple[torch.Tensor, torch.Tensor]:
    """The token ids of a text, and its tokens' vectors before any head."""
    ids = model[0].processor([text], truncation=True, max_length=96, return_tensors="pt")["input_ids"]
    with torch.no_grad():
        return ids[0], model[0].auto_model(input_ids=ids, attention_mask=torch.ones_like(ids)).last_hidden_state[0]


def token_vectors(model: SentenceTransformer, linear: dict[str, torch.Tensor]) -> list[np.ndarray]:
    """The vectors of the first texts' tokens but for the first, as FlagEmbedding has them."""
    found = []
    for text in TEXTS[:5]:
        made = hidden(model, text)[1][1:] @ linear["weight"].float().T + linear["bias"].float()
        found.append(torch.nn.functional.normalize(made, dim=-1).numpy())
    return found


def lexical(model: SentenceTransformer, linear: dict[str, torch.Tensor]) -> np.ndarray:
    """One row a text, with a weight for each word."""
    rows = np.zeros((len(TEXTS), WORDS), np.float32)
    wrapped = model[0].processor
    for row, text in zip(rows, TEXTS, strict=True):
        ids, vectors = hidden(model, text)
        weights = torch.relu(vectors @ linear["weight"].float().T + linear["bias"].float())[:, 0]
        np.maximum.at(row, ids.numpy(), weights.numpy())
        row[[wrapped.cls_token_id, wrapped.eos_token_id, wrapped.pad_token_id, wrapped.unk_token_id]] = 0
    return rows


def main() -> None:
    """Write the folder."""
    warnings.simplefilter("ignore")
    folder = HERE / NAME
    shutil.rmtree(folder, ignore_errors=True)
    model = save(folder)
    np.save(folder / "vectors.npy", vectors(model, TEXTS))
    linear = torch.load(folder / "sparse_linear.pt", weights_only=True)
    np.savez_compressed(folder / "lexical.npz", documents=lexical(model, linear))
    linear = torch.load(folder / "colbert_linear.pt", weights_only=True)
    np.savez_compressed(folder / "tokens.npz", *token_vectors(model, linear))
    (folder / "tokenizer.json").unlink()
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)


if __name__ == "__main__":
    main()

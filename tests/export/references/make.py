"""Write the small checkpoints and their reference vectors: `make references-embeddings`, FAMILIES= with names.

Needs the newest transformers, sentence-transformers and torch, in an environment of its own. Weights are random and
seeded by the family's name. Texts are encoded one at a time, so that no padding takes part.
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
from sentence_transformers import SentenceTransformer
from sentence_transformers.models import Dense, Normalize, Pooling, Transformer
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.families import COMMON, FAMILIES, WORDS, Family  # noqa: E402 - this file is run as a program
from export.references.texts import TEXTS  # noqa: E402

if TYPE_CHECKING:
    from collections.abc import Sequence

SPECIAL = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
LARGEST = 100_000
"""Most bytes of a family's folder."""


def tokenizer(kind: str) -> Tokenizer:
    """A byte-level BPE of few words, trained on the texts, with the special tokens of one kind of model."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, special_tokens=list(SPECIAL.values()), initial_alphabet=alphabet, show_progress=False
    )
    made.train_from_iterator(sorted(TEXTS), trainer)
    single = "[CLS] $A [SEP]" if kind == "encoder" else "$A [SEP]"
    made.post_processor = processors.TemplateProcessing(single=single, special_tokens=[("[CLS]", 2), ("[SEP]", 3)])
    return made


def random_model(name: str, family: Family) -> torch.nn.Module:
    """A model whose norms and biases are random too, so that none of them can be left out unseen."""
    torch.manual_seed(zlib.crc32(name.encode()))
    config = AutoConfig.for_model(family.model_type, **{**COMMON, **family.config})
    model = AutoModel.from_config(config)
    for values in model.parameters():
        spread = torch.randn_like(values) * family.spread
        values.data = values.data + spread if values.ndim == 1 else spread
    return model.to(getattr(torch, family.dtype))


def save(name: str, family: Family, folder: Path) -> SentenceTransformer:
    """Save the checkpoint as sentence-transformers does, and return it loaded again, in fp32, with its adapter.

    The tokenizer is set anew, for transformers takes Qwen2's words for every checkpoint of that model type.
    """
    with tempfile.TemporaryDirectory() as parts:
        random_model(name, family).save_pretrained(parts)
        wrapped = PreTrainedTokenizerFast(
            tokenizer_object=tokenizer(family.tokenizer),
            model_input_names=["input_ids", "attention_mask"],
            model_max_length=family.positions,
            **SPECIAL,
        )
        wrapped.save_pretrained(parts)
        transformer = Transformer(parts, model_kwargs={"dtype": getattr(torch, family.dtype)})
        transformer.processor = wrapped
        size = transformer.get_embedding_dimension()
        dense = [
            Dense(before, after, bias=False, activation_function=torch.nn.Identity())
            for before, after in zip(family.dense, family.dense[1:], strict=False)
        ]
        SentenceTransformer(modules=[transformer, Pooling(size, family.pooling), *dense, Normalize()]).save(str(folder))
    model = SentenceTransformer(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    model[0].processor = wrapped
    if family.lora is not None:
        add_adapter(model, family, folder)
    return model


def add_adapter(model: SentenceTransformer, family: Family, folder: Path) -> None:
    """Give the model a random adapter, and save it beside the weights."""
    from peft import LoraConfig, get_peft_model  # noqa: PLC0415 - for families with an adapter alone

    adapted = get_peft_model(model[0].auto_model, LoraConfig(**(family.lora or {})))
    for parameter, values in adapted.named_parameters():
        if "lora_" in parameter:
            values.data = torch.randn_like(values) * 0.2
    adapted.peft_config["default"].base_model_name_or_path = family.model_type
    adapted.save_pretrained(str(folder))
    model[0].auto_model = adapted.merge_and_unload()


def vectors(model: SentenceTransformer, texts: Sequence[str]) -> np.ndarray:
    """One row a text, each encoded alone."""
    return np.stack([model.encode([text], batch_size=1, show_progress_bar=False)[0] for text in texts])


def write(name: str) -> None:
    """Write one family's folder; its tokenizer is beside it, shared with others."""
    family, folder = FAMILIES[name], HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    model = save(name, family, folder)
    np.save(folder / "vectors.npy", vectors(model, TEXTS))
    shutil.move(folder / "tokenizer.json", HERE / f"{family.tokenizer}.json")
    (folder / "README.md").unlink(missing_ok=True)
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)
    versions = {"transformers": transformers.__version__, "torch": torch.__version__.partition("+")[0]}
    (folder / "made_with.json").write_text(json.dumps(versions) + "\n")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{name}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{name} has {size:,} bytes, expected at most {LARGEST:,}: give it smaller shapes")


def main() -> None:
    """Write the named families, or all of them."""
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or FAMILIES:
        write(name)


if __name__ == "__main__":
    main()

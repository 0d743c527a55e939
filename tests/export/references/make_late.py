"""Write the small late-interaction checkpoints, and what PyLate computes with them.

Needs pylate 1.6 with its sentence-transformers and transformers, in an environment of its own; fast-plaid, which only
its indexes use, may be absent. Weights are random and seeded by the family's name. Texts are encoded one at a time.
"""

from __future__ import annotations

import json
import shutil
import sys
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pylate
import torch
import transformers
from pylate import models as late
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

from export.references.late_families import (  # noqa: E402 - this file is run as a program
    DOCUMENTS,
    LATE_FAMILIES,
    POOL_FACTOR,
    POOLED,
    POSITIONS,
    QUERIES,
    SHAPE,
    WORDS,
    LateFamily,
)

SPECIAL = {
    "pad_token": "[PAD]",
    "unk_token": "[UNK]",
    "cls_token": "[CLS]",
    "sep_token": "[SEP]",
    "mask_token": "[MASK]",
}
LARGEST = 100_000


def word_pieces() -> Tokenizer:
    """WordPiece, as BERT has it, with the unused tokens that ColBERT takes as markers."""
    made = Tokenizer(models.WordPiece(unk_token=SPECIAL["unk_token"]))
    made.normalizer = normalizers.BertNormalizer(lowercase=True)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.decoder = decoders.WordPiece()
    tokens = [*SPECIAL.values(), "[unused0]", "[unused1]"]
    trainer = trainers.WordPieceTrainer(vocab_size=WORDS, special_tokens=tokens[:5], show_progress=False)
    made.train_from_iterator([" ".join(map(chr, range(33, 127))), *sorted(DOCUMENTS + QUERIES), *tokens], trainer)
    vocabulary = [word for word, _ in sorted(made.get_vocab().items(), key=lambda entry: entry[1])]
    vocabulary = [*tokens, *(word for word in vocabulary if word not in tokens)][:WORDS]
    made.model = models.WordPiece(
        {word: index for index, word in enumerate(vocabulary)}, unk_token=SPECIAL["unk_token"]
    )
    return made


def byte_pairs() -> Tokenizer:
    """Byte-level BPE, as ModernBERT has it, with PyLate's markers behind all other tokens."""
    made = Tokenizer(models.BPE())
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS - 2,
        special_tokens=list(SPECIAL.values()),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    made.train_from_iterator(sorted(DOCUMENTS), trainer)
    made.add_tokens(["[Q] ", "[D] "])
    return made


def tokenizer(family: LateFamily) -> PreTrainedTokenizerFast:
    """The family's tokenizer, [CLS] before and [SEP] behind a text."""
    made = byte_pairs() if family.model_type == "modernbert" else word_pieces()
    ends = [(token, made.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    made.post_processor = processors.TemplateProcessing(single="[CLS] $A [SEP]", special_tokens=ends)
    settings = {"model_input_names": ["input_ids", "attention_mask"], "model_max_length": POSITIONS, **SPECIAL}
    return PreTrainedTokenizerFast(tokenizer_object=made, **settings)


def random_model(family: LateFamily) -> torch.nn.Module:
    """A model whose norms and biases are random too."""
    config = AutoConfig.for_model(family.model_type, **{**SHAPE, **family.config})
    model = AutoModel.from_config(config)
    for values in model.parameters():
        spread = torch.randn_like(values) * 0.3
        values.data = values.data + spread if values.ndim == 1 else spread
    return model.to(torch.bfloat16)


def save_colbert(family: LateFamily, model: torch.nn.Module, folder: Path) -> None:
    """The layout of ColBERT's authors: the layer among the encoder's weights, and artifact.metadata."""
    weights = {f"bert.{name}": values.clone() for name, values in model.state_dict().items()}
    weights["linear.weight"] = torch.randn(family.dense[1], family.dense[0]).to(torch.bfloat16)
    if family.weights == "torch":
        torch.save(weights, folder / "pytorch_model.bin")
    else:
        save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    config = json.loads(model.config.to_json_string())
    (folder / "config.json").write_text(json.dumps({**config, "architectures": ["HF_ColBERT"]}, indent=2) + "\n")
    (folder / "artifact.metadata").write_text(json.dumps(family.settings, indent=4))


def save_pylate(family: LateFamily, model: torch.nn.Module, folder: Path) -> None:
    """PyLate's layout: modules.json, and a folder for each dense layer."""
    model.save_pretrained(folder)
    modules = [("sentence_transformers.models.Transformer", "")]
    pairs = list(zip(family.dense, family.dense[1:], strict=False))
    for index, (before, after) in enumerate(pairs, 1):
        modules.append(("pylate.models.Dense.Dense", f"{index}_Dense"))
        (folder / f"{index}_Dense").mkdir()
        facts = {"in_features": before, "out_features": after, "bias": False, "use_residual": False}
        facts["activation_function"] = "torch.nn.modules.linear.Identity"  # type: ignore[assignment]
        (folder / f"{index}_Dense" / "config.json").write_text(json.dumps(facts))
        save_file({"linear.weight": torch.randn(after, before)}, folder / f"{index}_Dense" / "model.safetensors")
    listed = [
        {"idx": index, "name": str(index), "path": path, "type": kind} for index, (kind, path) in enumerate(modules)
    ]
    (folder / "modules.json").write_text(json.dumps(listed, indent=2))
    (folder / "config_sentence_transformers.json").write_text(json.dumps(family.settings, indent=2))
    length = family.settings["document_length"] - 1
    (folder / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": length, "do_lower_case": False}))


def encoded(model: Any, texts: tuple[str, ...], *, is_query: bool, factor: int = 1) -> list[np.ndarray]:  # noqa: ANN401
    """Token vectors of each text, encoded alone."""
    return [
        model.encode([text], is_query=is_query, pool_factor=factor, show_progress_bar=False)[0].astype(np.float32)
        for text in texts
    ]


def write(name: str) -> None:
    """Write one family's folder."""
    family, folder = LATE_FAMILIES[name], HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    torch.manual_seed(zlib.crc32(name.encode()))
    tokenizer(family).save_pretrained(folder)
    (save_colbert if family.layout == "colbert" else save_pylate)(family, random_model(family), folder)
    model = late.ColBERT(str(folder), device="cpu", model_kwargs={"dtype": torch.float32}).to(torch.float32)
    found = {
        "documents": encoded(model, DOCUMENTS, is_query=False),
        "queries": encoded(model, QUERIES, is_query=True),
    }
    if name == POOLED:
        found["pooled"] = encoded(model, DOCUMENTS[2:], is_query=False, factor=POOL_FACTOR)
    arrays = {of: np.concatenate(each) for of, each in found.items()}
    lengths = {f"{of}_lengths": np.array([len(one) for one in each]) for of, each in found.items()}
    np.savez_compressed(folder / "vectors.npz", **arrays, **lengths)  # type: ignore[arg-type] # of numpy's stubs
    versions = {"pylate": pylate.__version__, "transformers": transformers.__version__}
    versions["torch"] = torch.__version__.partition("+")[0]
    (folder / "made_with.json").write_text(json.dumps(versions) + "\n")
    for weights in folder.rglob("*.safetensors"):
        weights.chmod(0o644)
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{name}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{name} has {size:,} bytes, expected at most {LARGEST:,}: give it smaller shapes")


def main() -> None:
    """Write the named families, or all of them."""
    torch.set_num_threads(1)
    for name in sys.argv[1:] or LATE_FAMILIES:
        write(name)


if __name__ == "__main__":
    main()

"""Write the small rerankers, and the token ids and scores that sentence-transformers' CrossEncoder has for pairs.

Needs transformers 5, sentence-transformers 6 and torch, as make.py of the embedding models does. Weights are random and
seeded by the folder's name. Pairs are scored one at a time, so that no padding takes part. With names of folders as
arguments, it writes those alone.
"""

from __future__ import annotations

import json
import shutil
import sys
import warnings
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
import transformers
from sentence_transformers import CrossEncoder
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from export.references.rerankers.pairs import PAIRS, POSITIONS  # noqa: E402 - this file is run as a program

LARGEST = 100_000
"""Most bytes of a folder."""

WORDS = 384
TEXTS = [*sorted({text for pair in PAIRS for text in pair}), "yes no " * 40]
SHAPE: dict[str, Any] = {
    "vocab_size": WORDS,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 48,
    "max_position_embeddings": POSITIONS,
    "pad_token_id": 0,
    "num_labels": 1,
}
_ROBERTA = {"pad_token_id": 1, "bos_token_id": 0, "eos_token_id": 2, "type_vocab_size": 1}
_MODERN = {"intermediate_size": 24, "cls_token_id": 2, "sep_token_id": 3}
_DECODER = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 16, "num_labels": 2}
IDENTITY = "torch.nn.modules.linear.Identity"
FAMILIES: dict[str, tuple[str, dict[str, Any]]] = {
    "bert": ("bert", {"sentence_transformers": {"activation_fn": IDENTITY, "version": "4.1.0"}}),
    "roberta": (
        "roberta",
        {**_ROBERTA, "max_position_embeddings": POSITIONS + 2, "sbert_ce_default_activation_function": IDENTITY},
    ),
    "xlm-roberta": ("xlm-roberta", {**_ROBERTA, "max_position_embeddings": POSITIONS + 2}),
    "modernbert": (
        "modernbert",
        {**_MODERN, "num_hidden_layers": 3, "local_attention": 9, "classifier_pooling": "mean"},
    ),
    "modernbert-cls": (
        "modernbert",
        {
            **_MODERN,
            "num_hidden_layers": 3,
            "local_attention": 8,
            "norm_bias": True,
            "classifier_bias": True,
            "classifier_pooling": "cls",
            "classifier_activation": "relu",
        },
    ),
    "qwen3-reranker-tied": ("qwen3", {**_DECODER, "tie_word_embeddings": True, "max_position_embeddings": 320}),
    "qwen3-reranker-untied": (
        "qwen3",
        {**_DECODER, "hidden_size": 24, "tie_word_embeddings": False, "max_position_embeddings": 320},
    ),
}
"""The model type and the configuration, by the name of the folder."""

CHAT = """{%- set ns = namespace(instruction="Given a web search query, retrieve relevant passages that answer the query") -%}
{%- for message in messages -%}
{%- if message.role == "system" -%}{%- set ns.instruction = message.content -%}{%- endif -%}
{%- if message.role == "query" -%}{%- set ns.query = message.content -%}{%- endif -%}
{%- if message.role == "document" -%}{%- set ns.document = message.content -%}{%- endif -%}
{%- endfor -%}
{{- '<|im_start|>system\\nJudge whether the Document meets the requirements based on the Query and the Instruct provided. Note that the answer can only be "yes" or "no".<|im_end|>\\n<|im_start|>user\\n<Instruct>: ' + ns.instruction + '\\n<Query>: ' + ns.query + '\\n<Document>: ' + ns.document + '<|im_end|>\\n<|im_start|>assistant\\n<think>\\n\\n</think>\\n\\n' -}}
"""  # noqa: E501 - a chat template has no line breaks but its own
QWEN_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)


def trained(model: models.Model, trainer: Any, before: Any) -> Tokenizer:  # noqa: ANN401 - of several classes
    """A tokenizer of few words, trained on the pairs."""
    made = Tokenizer(model)
    made.pre_tokenizer = before
    made.train_from_iterator(TEXTS, trainer)
    return made


def byte_level(special: list[str], before: Any = None) -> Tokenizer:  # noqa: ANN401
    """Byte-level BPE."""
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(
        vocab_size=WORDS, special_tokens=special, initial_alphabet=alphabet, show_progress=False
    )
    return trained(models.BPE(), trainer, before or pre_tokenizers.ByteLevel(add_prefix_space=False))


def parts_of(made: Tokenizer) -> Any:  # noqa: ANN401 - JSON
    """The model of a tokenizer, as its file has it."""
    return json.loads(made.to_str())["model"]


def tokenizer(model_type: str) -> Any:  # noqa: ANN401 - of several classes
    """The tokenizer of a family, of the class that its published models have."""
    if model_type == "bert":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = trainers.WordPieceTrainer(
            vocab_size=WORDS, limit_alphabet=150, special_tokens=special, show_progress=False
        )
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        made.train_from_iterator(TEXTS, trainer)
        return BertTokenizer(vocab=made.get_vocab(), do_lower_case=True, model_max_length=POSITIONS)
    if model_type == "roberta":
        made = byte_level(["<s>", "<pad>", "</s>", "<unk>", "<mask>"])
        merges = [tuple(pair) for pair in parts_of(made)["merges"]]
        return RobertaTokenizer(vocab=parts_of(made)["vocab"], merges=merges, model_max_length=POSITIONS)
    if model_type == "xlm-roberta":
        special = ["<s>", "<pad>", "</s>", "<unk>"]
        pieces = trainers.UnigramTrainer(
            vocab_size=WORDS - 1,
            special_tokens=special,
            unk_token="<unk>",  # noqa: S106 - no password
            show_progress=False,
        )
        made = trained(models.Unigram(), pieces, pre_tokenizers.Metaspace())
        return XLMRobertaTokenizer(vocab=[tuple(x) for x in parts_of(made)["vocab"]], model_max_length=POSITIONS)
    if model_type == "modernbert":
        made = byte_level(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"])
        made.post_processor = processors.TemplateProcessing(
            single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B [SEP]", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
        )
        names = {"cls_token": "[CLS]", "sep_token": "[SEP]", "pad_token": "[PAD]", "unk_token": "[UNK]"}
        inputs = ["input_ids", "attention_mask"]
        return PreTrainedTokenizerFast(
            tokenizer_object=made, model_input_names=inputs, model_max_length=POSITIONS, **names
        )
    before = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(QWEN_WORDS), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made = byte_level(["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<think>", "</think>"], before)
    made.normalizer = normalizers.NFC()
    return PreTrainedTokenizerFast(
        tokenizer_object=made,
        model_input_names=["input_ids", "attention_mask"],
        pad_token="<|endoftext|>",  # noqa: S106
        model_max_length=320,
        padding_side="left",
    )


def random_model(name: str) -> Any:  # noqa: ANN401
    """A model whose norms and biases are random too, so that none of them can be left out unseen."""
    torch.manual_seed(zlib.crc32(name.encode()))
    model_type, own = FAMILIES[name]
    config = AutoConfig.for_model(model_type, **{**SHAPE, **own})
    kind = AutoModelForCausalLM if model_type == "qwen3" else AutoModelForSequenceClassification
    model = kind.from_config(config)
    for values in model.parameters():
        spread = torch.randn_like(values) * 0.25
        values.data = values.data + spread if values.ndim == 1 else spread
    return model.to(torch.bfloat16)


def write(name: str) -> None:
    """Write one folder."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    random_model(name).save_pretrained(folder)
    words = tokenizer(FAMILIES[name][0])
    words.save_pretrained(folder)
    if FAMILIES[name][0] == "qwen3":
        (folder / "chat_template.jinja").write_text(CHAT)
    model = CrossEncoder(str(folder), device="cpu", model_kwargs={"dtype": torch.float32})
    model[0].processor = words if FAMILIES[name][0] != "qwen3" else model[0].processor
    if name in {"modernbert", "qwen3-reranker-tied"}:  # as sentence-transformers saves it since version 6
        weights = (folder / "model.safetensors").read_bytes()
        model.save_pretrained(str(folder))
        (folder / "model.safetensors").write_bytes(weights)
    save_results(model, folder)
    if name == "qwen3-reranker-untied":  # as it was published, before there was a template for pairs
        (folder / "chat_template.jinja").unlink()
    content = json.loads((folder / "tokenizer.json").read_text())
    (folder / "tokenizer.json").write_text(json.dumps(content, separators=(",", ":")))
    (folder / "README.md").unlink(missing_ok=True)
    (folder / "model.safetensors").chmod(0o644)
    versions = {"transformers": transformers.__version__, "torch": torch.__version__.partition("+")[0]}
    (folder / "made_with.json").write_text(json.dumps(versions) + "\n")
    size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    print(f"{name}: {size:,} bytes")
    if size > LARGEST:
        raise SystemExit(f"{name} has {size:,} bytes, expected at most {LARGEST:,}: give it smaller shapes")


def as_input(name: str, pair: tuple[str, str]) -> Any:  # noqa: ANN401
    """A pair as the model reads it: a decoder as messages of a template, an encoder as two texts."""
    if FAMILIES[name][0] != "qwen3":
        return list(pair)
    return [{"role": "query", "content": pair[0]}, {"role": "document", "content": pair[1]}]


def save_results(model: CrossEncoder, folder: Path) -> None:
    """Save token ids, segments, logits and scores of the pairs, each pair alone."""
    ids: list[int] = []
    segments: list[int] = []
    lengths, logits, scores = [], [], []
    for pair in PAIRS:
        given = as_input(folder.name, pair)
        read = model.preprocess([given])
        row = read["input_ids"][0].tolist()
        ids += row
        segments += read["token_type_ids"][0].tolist() if "token_type_ids" in read else [0] * len(row)
        lengths.append(len(row))
        logits.append(model.predict([given], activation_fn=torch.nn.Identity(), show_progress_bar=False)[0])
        scores.append(model.predict([given], show_progress_bar=False)[0])
    np.savez_compressed(
        folder / "pairs.npz",
        ids=np.array(ids, np.int16),
        segments=np.array(segments, np.int8),
        lengths=np.array(lengths, np.int16),
        logits=np.array(logits, np.float32),
        scores=np.array(scores, np.float32),
    )


def main() -> None:
    """Write the named folders, or all of them."""
    warnings.simplefilter("ignore")
    transformers.utils.logging.disable_progress_bar()
    torch.set_num_threads(1)
    for name in sys.argv[1:] or FAMILIES:
        write(name)


if __name__ == "__main__":
    main()

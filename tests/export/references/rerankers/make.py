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
from sentence_transformers.base.modules import Transformer
from sentence_transformers.cross_encoder.modules import LogitScore
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoModelForSequenceClassification,
    BertTokenizer,
    DebertaV2Tokenizer,
    DistilBertTokenizer,
    PreTrainedTokenizerFast,
    RobertaTokenizer,
    XLMRobertaTokenizer,
)

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[2]))

from export.references.families import DEBERTA_V3  # noqa: E402 - this file is run as a program
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
_MXBAI = {**_DECODER, "max_position_embeddings": 400}
_SCORING = {**_DECODER, "num_labels": 1}
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
    "deberta-v3": (
        "deberta-v2",
        {
            **DEBERTA_V3,
            "sbert_ce_default_activation_function": IDENTITY,
        },
    ),
    "distilbert": ("distilbert", {"dim": 32, "n_layers": 2, "n_heads": 2, "hidden_dim": 48}),
    "electra": ("electra", {"embedding_size": 16}),
    "mxbai-rerank-base-v2": ("qwen2", {**_MXBAI, "tie_word_embeddings": True}),
    "mxbai-rerank-v2-in-template": ("qwen2", {**_MXBAI, "hidden_size": 24, "tie_word_embeddings": False}),
    "qwen2-seq-cls": ("qwen2", _SCORING),
    "qwen3-reranker-seq-cls": ("qwen3", {**_SCORING, "max_position_embeddings": 320}),
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
MXBAI_SYSTEM = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
MXBAI_BEFORE = f"<|im_start|>system\n{MXBAI_SYSTEM}<|im_end|>\n<|im_start|>user\n"
MXBAI_TASK = (
    "You are a search relevance expert who evaluates how well documents match search queries. For each query-document "
    "pair, carefully analyze the semantic relationship between them, then provide your binary relevance judgment "
    "(0 for not relevant, 1 for relevant).\nRelevance:"
)
MXBAI_END = "<|im_end|>\n<|im_start|>assistant\n"
MXBAI_CHAT = (
    "{%- set ns = namespace() -%}{%- for message in messages -%}"
    '{%- if message.role == "query" -%}{%- set ns.query = message.content -%}{%- endif -%}'
    '{%- if message.role == "document" -%}{%- set ns.document = message.content -%}{%- endif -%}{%- endfor -%}'
    f"{{{{- {MXBAI_BEFORE + 'query: '!r} + ns.query + {chr(10) + 'document: '!r} + ns.document "
    f"+ {chr(10) + MXBAI_TASK + MXBAI_END!r} -}}}}"
)
MXBAI_LONGEST = 8192

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


def tokenizer(model_type: str, limit: int) -> Any:  # noqa: ANN401 - of several classes, a return each
    """The tokenizer of a family, of the class that its published models have."""
    if model_type in {"bert", "distilbert", "electra"}:
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        trainer = trainers.WordPieceTrainer(
            vocab_size=WORDS, limit_alphabet=150, special_tokens=special, show_progress=False
        )
        made = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # noqa: S106 - no password
        made.normalizer, made.pre_tokenizer = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
        made.train_from_iterator(TEXTS, trainer)
        kind = DistilBertTokenizer if model_type == "distilbert" else BertTokenizer
        return kind(vocab=made.get_vocab(), do_lower_case=True, model_max_length=POSITIONS)
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
    if model_type == "deberta-v2":
        special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
        pieces = trainers.UnigramTrainer(
            vocab_size=WORDS,
            special_tokens=special,
            unk_token="[UNK]",  # noqa: S106 - no password
            show_progress=False,
        )
        made = trained(models.Unigram(), pieces, pre_tokenizers.Metaspace())
        return DebertaV2Tokenizer(vocab=[tuple(x) for x in parts_of(made)["vocab"]], model_max_length=POSITIONS)
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
        model_max_length=limit,
        padding_side="left",
    )


def is_answering(name: str) -> bool:
    """Tell if a family is a language model that answers yes or no."""
    return FAMILIES[name][1].get("num_labels") == _DECODER["num_labels"]


def random_model(name: str) -> Any:  # noqa: ANN401
    """A model whose norms and biases are random too, so that none of them can be left out unseen."""
    torch.manual_seed(zlib.crc32(name.encode()))
    model_type, own = FAMILIES[name]
    config = AutoConfig.for_model(model_type, **{**SHAPE, **own})
    kind = AutoModelForCausalLM if is_answering(name) else AutoModelForSequenceClassification
    model = kind.from_config(config)
    for values in model.parameters():
        spread = torch.randn_like(values) * 0.25
        values.data = values.data + spread if values.ndim == 1 else spread
    return model.to(torch.bfloat16)


CHATS = {
    "mxbai-rerank-v2-in-template": MXBAI_CHAT,
    "qwen3-reranker-seq-cls": CHAT,
    "qwen3-reranker-tied": CHAT,
    "qwen3-reranker-untied": CHAT,
}
"""The template for pairs, by the name of the folder."""

SAVED_AGAIN = {"deberta-v3", "electra", "modernbert", "mxbai-rerank-v2-in-template", "qwen3-reranker-tied"}


def cross_encoder(name: str, folder: Path) -> CrossEncoder:
    """The model as sentence-transformers loads it; mxbai-rerank-v2 answers by other words than its usual ones."""
    single = {"dtype": torch.float32}
    if not name.startswith("mxbai"):
        return CrossEncoder(str(folder), device="cpu", model_kwargs=single)
    transformer = Transformer(str(folder), transformer_task="text-generation", model_kwargs=single)
    one, zero = (transformer.tokenizer.convert_tokens_to_ids(word) for word in "10")
    return CrossEncoder(modules=[transformer, LogitScore(one, zero)], device="cpu", activation_fn=torch.nn.Identity())


def package_ids(words: Any, pair: tuple[str, str]) -> list[int]:  # noqa: ANN401
    """The token ids that the package mxbai-rerank makes of a pair: its parts on their own, the pair cut in between."""
    before, query, line, document, task, end = (
        words(part, add_special_tokens=False)["input_ids"]
        for part in (MXBAI_BEFORE, f"query: {pair[0]}", "\n", f"document: {pair[1]}", MXBAI_TASK, MXBAI_END)
    )
    after = [*line, *task, *end]
    room = min(MXBAI_LONGEST, words.model_max_length - len(before) - len(after))
    query = query[: room * 3 // 4]
    return [*before, *query, *[*line, *document][: room - len(query)], *after]


def write(name: str) -> None:
    """Write one folder."""
    folder = HERE / name
    shutil.rmtree(folder, ignore_errors=True)
    random_model(name).save_pretrained(folder)
    words = tokenizer(FAMILIES[name][0], FAMILIES[name][1].get("max_position_embeddings", POSITIONS))
    words.save_pretrained(folder)
    if name in CHATS:
        (folder / "chat_template.jinja").write_text(CHATS[name])
    model = cross_encoder(name, folder)
    if name not in CHATS:
        model[0].processor = words
    if name in SAVED_AGAIN:  # as sentence-transformers saves it since version 6
        weights = (folder / "model.safetensors").read_bytes()
        model.save_pretrained(str(folder))
        (folder / "model.safetensors").write_bytes(weights)
    save_results(model, folder)
    if name in CHATS and name not in SAVED_AGAIN:  # as it was published, before there was a template for pairs
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
    """A pair as the model reads it: as messages of a template, or as two texts."""
    if name not in CHATS:
        return list(pair)
    return [{"role": "query", "content": pair[0]}, {"role": "document", "content": pair[1]}]


def result(model: CrossEncoder, name: str, pair: tuple[str, str]) -> tuple[list[int], list[int], float, float]:
    """Token ids, segments, logit and score of a pair."""
    if name == "mxbai-rerank-base-v2":  # which the package alone reads
        ids, answers = package_ids(model.tokenizer, pair), model[1]
        with torch.inference_mode():
            logits = model[0].model(torch.tensor([ids])).logits[0, -1]
        score = float(logits[answers.true_token_id] - logits[answers.false_token_id])
        return ids, [0] * len(ids), score, score
    given = as_input(name, pair)
    read = model.preprocess([given])
    ids = read["input_ids"][0].tolist()
    segments = read["token_type_ids"][0].tolist() if "token_type_ids" in read else [0] * len(ids)
    logit = model.predict([given], activation_fn=torch.nn.Identity(), show_progress_bar=False)[0]
    return ids, segments, logit, model.predict([given], show_progress_bar=False)[0]


def save_results(model: CrossEncoder, folder: Path) -> None:
    """Save token ids, segments, logits and scores of the pairs, each pair alone."""
    results = [result(model, folder.name, pair) for pair in PAIRS]
    ids, segments, logits, scores = zip(*results, strict=True)
    np.savez_compressed(
        folder / "pairs.npz",
        ids=np.concatenate(ids).astype(np.int16),
        segments=np.concatenate(segments).astype(np.int8),
        lengths=np.array([len(row) for row in ids], np.int16),
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

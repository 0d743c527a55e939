"""Read a checkpoint's ``tokenizer.json`` as transformers and sentence-transformers use it.

Both override case, accents and special tokens of that file by the settings in files beside it. A model folder has
``tokenizer.json`` alone, so the overrides are written into it here, where they are part of the model's identity.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.description import read_json_file
from embed_plugin.export.checkpoint.files import TOKENIZER
from embed_plugin.export.checkpoint.vocabulary import build_tokenizer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription

    Json = dict[str, Any]

_CLASSES = {
    "bert": "BertTokenizer",
    "convbert": "ConvBertTokenizer",
    "distilbert": "DistilBertTokenizer",
    "electra": "ElectraTokenizer",
    "funnel": "FunnelTokenizer",
    "layoutlm": "LayoutLMTokenizer",
    "lxmert": "LxmertTokenizer",
    "megatron-bert": "BertTokenizer",
    "mobilebert": "MobileBertTokenizer",
    "mpnet": "MPNetTokenizer",
    "nomic_bert": "BertTokenizer",
    "squeezebert": "SqueezeBertTokenizer",
}
"""The tokenizers that override BERT's normalizer, by the ``model_type`` that has them as its default.

Seen in transformers 4.57 and 5.24, which agree: a setting that ``tokenizer_config.json`` leaves out has a default and
is not taken from ``tokenizer.json``. Other tokenizers, PreTrainedTokenizerFast among them, leave that file as it is.
"""

_PAIRED = ("BertProcessing", "RobertaProcessing")
"""Steps that always put one special token before a text and one after it."""


def read_tokenizer(checkpoint: CheckpointDescription) -> str:
    """Read the checkpoint's tokenizer, or build it from older vocabulary files, with the overrides, as JSON.

    Raises:
        ExportError: it truncates long texts on the left, or its special tokens cannot be added.
        SourceError: a file cannot be read.
    """
    file = read_json_file(checkpoint.encoder / TOKENIZER)
    tokenizer = file.object() if file.is_there else build_tokenizer(checkpoint)
    if checkpoint.is_static:
        return json.dumps(tokenizer | {"post_processor": None})  # which adds special tokens, and a table reads none
    settings = checkpoint.tokenizer_settings()
    _require_cut_on_the_right(checkpoint.encoder, tokenizer, settings)
    _set_bert_normalizer(checkpoint, tokenizer, settings)
    if checkpoint.transformer_settings().get("do_lower_case") is True:
        _lower_case(tokenizer)
    for flag, name in (("add_bos_token", "bos_token"), ("add_eos_token", "eos_token")):
        if settings.get(flag) is True:
            _add_special_token(checkpoint, tokenizer, name)
    return json.dumps(tokenizer)


def highest_token(tokenizer: str) -> tuple[str, int]:
    """Find the token with the highest id, added tokens included."""
    content = json.loads(tokenizer)
    return max(_ids(content).items(), key=lambda item: item[1])


def special_ids(checkpoint: CheckpointDescription, names: Sequence[str]) -> tuple[int, ...]:
    """Find the ids of special tokens by the names that ``tokenizer_config.json`` has for them, those that it has."""
    stated = checkpoint.special_tokens.object_if_there() | checkpoint.tokenizer_settings()
    ids = _ids(json.loads(read_tokenizer(checkpoint)))
    tokens = {_named(checkpoint, name) for name in names if stated.get(name)}
    return tuple(sorted(ids[token] for token in tokens if token in ids))


def _ids(tokenizer: Json) -> dict[str, int]:
    """The id of every token; in a Unigram vocabulary, a list, the index is the id."""
    listed = tokenizer["model"]["vocab"]
    vocabulary: dict[str, int] = (
        {piece[0]: index for index, piece in enumerate(listed)} if isinstance(listed, list) else listed
    )
    return vocabulary | {token["content"]: token["id"] for token in tokenizer.get("added_tokens") or []}


def _require_cut_on_the_right(folder: Path, tokenizer: Json, settings: Mapping[str, Any]) -> None:
    inside = (tokenizer.get("truncation") or {}).get("direction", "Right")
    side = settings.get("truncation_side") or inside
    if str(side).lower() == "left":
        name = "tokenizer_config.json" if settings.get("truncation_side") else TOKENIZER
        raise ExportError(
            f"{folder / name} cuts long texts on the left (truncation_side), and the encoder cuts on the right. Where "
            "no text is longer than the limit, or its beginning may stay, write right there and export again"
        )


def _set_bert_normalizer(checkpoint: CheckpointDescription, tokenizer: Json, settings: Mapping[str, Any]) -> None:
    """Set case, accents and Chinese characters by ``tokenizer_config.json``, for the tokenizers that read it."""
    config = checkpoint.config.object_if_there()
    name = settings.get("tokenizer_class") or config.get("tokenizer_class")
    name = str(name or _CLASSES.get(str(config.get("model_type")))).removesuffix("Fast")
    normalizer = tokenizer.get("normalizer") or {}
    if name in _CLASSES.values() and normalizer.get("type") == "BertNormalizer":
        normalizer["lowercase"] = settings.get("do_lower_case", True)
        normalizer["strip_accents"] = settings.get("strip_accents")
        normalizer["handle_chinese_chars"] = settings.get("tokenize_chinese_chars", True)


def _lower_case(tokenizer: Json) -> None:
    """Lower the case before every other step, as sentence-transformers does for its own ``do_lower_case``."""
    steps = _steps(tokenizer, "normalizer", "normalizers")
    if all(step["type"] != "Lowercase" for step in steps):
        tokenizer["normalizer"] = {"type": "Sequence", "normalizers": [{"type": "Lowercase"}, *steps]}


def _steps(tokenizer: Json, part: str, steps: str) -> list[Json]:
    """The steps of a part of the tokenizer: none, one, or those of a sequence."""
    found = tokenizer.get(part)
    if not found:
        return []
    return list(found[steps]) if found["type"] == "Sequence" else [found]


def _add_special_token(checkpoint: CheckpointDescription, tokenizer: Json, name: str) -> None:
    """Put ``bos_token`` before every text, or ``eos_token`` after it, unless the template already does."""
    folder = checkpoint.encoder
    token, where = _named(checkpoint, name), 0 if name == "bos_token" else -1
    number = _ids(tokenizer).get(token)
    if number is None:
        found = f"{folder / 'tokenizer_config.json'} asks for its {name} {token!r} with every text (add_{name})"
        raise ExportError(f"{found}, which is no token of {TOKENIZER}: name one that is, or set add_{name} to false")
    steps = _steps(tokenizer, "post_processor", "processors")
    if any(number in _at(where, step) for step in steps):
        return
    if any(step["type"] in _PAIRED for step in steps):
        found = f"{folder / TOKENIZER} has other special tokens than add_{name} asks for"
        raise ExportError(f"{found}: save the tokenizer again with the special tokens it is to have")
    template = next((step for step in steps if step["type"] == "TemplateProcessing"), None)
    if template is None:
        template = _empty_template()
        steps.append(template)
    _extend(template, {"id": token, "ids": [number], "tokens": [token]}, where)
    tokenizer["post_processor"] = {"type": "Sequence", "processors": steps}


def _named(checkpoint: CheckpointDescription, name: str) -> str:
    """The text of a special token; a file has the text alone or an object with its properties."""
    mapped = checkpoint.special_tokens.object_if_there()
    token = checkpoint.tokenizer_settings().get(name) or mapped.get(name)
    return str(token["content"] if isinstance(token, dict) else token)


def _at(where: int, step: Json) -> list[int]:
    """The ids that a step puts before (0) or after (-1) a text."""
    if step["type"] in _PAIRED:
        return [step["cls" if where == 0 else "sep"][1]]
    if step["type"] != "TemplateProcessing":
        return []
    piece = step["single"][where].get("SpecialToken")
    return list(step["special_tokens"][piece["id"]]["ids"]) if piece else []


def _empty_template() -> Json:
    """A template that adds nothing."""
    first, second = ({"Sequence": {"id": name, "type_id": index}} for index, name in enumerate("AB"))
    return {"type": "TemplateProcessing", "single": [first], "pair": [first, second], "special_tokens": {}}


def _extend(template: Json, token: Json, where: int) -> None:
    """Put a special token at one end of a template; only single texts are ever tokenised."""
    pieces = template["single"]
    pieces.insert(0 if where == 0 else len(pieces), {"SpecialToken": {"id": token["id"], "type_id": 0}})
    template["special_tokens"][token["id"]] = token

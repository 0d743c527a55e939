"""Build the tokenizer of an older checkpoint, which has vocabulary files in place of ``tokenizer.json``.

BERT's WordPiece (``vocab.txt``), RoBERTa's byte-level BPE (``vocab.json`` and ``merges.txt``) and the SentencePiece
files of XLM-R, CamemBERT, ALBERT and T5 are built, as transformers builds them from these files. Others need its
converter once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.description import read_json_file
from embed_plugin.export.checkpoint.files import MERGES, PIECES, TOKENIZER, WORDS
from embed_plugin.export.checkpoint.sentencepiece_file.unigram import FAMILIES, build_unigram

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription

    Json = dict[str, Any]

_WORD_PIECE = {"bert": "BertTokenizer", "distilbert": "DistilBertTokenizer", "electra": "ElectraTokenizer"}
_BYTE_LEVEL = {"roberta": "RobertaTokenizer"}
_SENTENCEPIECE = {
    "xlm-roberta": "XLMRobertaTokenizer",
    "camembert": "CamembertTokenizer",
    "albert": "AlbertTokenizer",
    "t5": "T5Tokenizer",
}
"""The tokenizers that are built, by the ``model_type`` that has them as its default."""

_BERT_TOKENS = {"pad": "[PAD]", "unk": "[UNK]", "cls": "[CLS]", "sep": "[SEP]", "mask": "[MASK]"}
_ROBERTA_TOKENS = {"cls": "<s>", "pad": "<pad>", "sep": "</s>", "unk": "<unk>", "mask": "<mask>"}


def has_tokenizer(checkpoint: CheckpointDescription) -> bool:
    """Tell if a checkpoint has ``tokenizer.json``, or files that it can be built from."""
    folder = checkpoint.encoder
    if (folder / TOKENIZER).is_file():
        return True
    if checkpoint.is_static:
        return False
    name = _class_of(checkpoint)
    if name in FAMILIES:
        return (folder / FAMILIES[name].file).is_file()
    words = name in _WORD_PIECE.values() and (folder / WORDS).is_file()
    return words or (name in _BYTE_LEVEL.values() and (folder / PIECES).is_file() and (folder / MERGES).is_file())


def build_tokenizer(checkpoint: CheckpointDescription) -> Json:
    """Build what ``tokenizer.json`` would hold, with the defaults of the tokenizer's class.

    Raises:
        SourceError: a file is damaged, a special token is not in it, or there are settings that are not built.
    """
    folder, settings = checkpoint.encoder, checkpoint.tokenizer_settings()
    name = _class_of(checkpoint)
    added = ["added_tokens.json"] if read_json_file(folder / "added_tokens.json").object_if_there() else []
    if name in FAMILIES and settings.get("added_tokens_decoder"):  # which takes the place of that file
        added = []
    if settings.get("do_basic_tokenize", True) is not True or settings.get("never_split"):
        added.append("do_basic_tokenize or never_split in tokenizer_config.json")
    if added:
        found = f"{folder} has {', '.join(added)}, which is not built"
        raise SourceError(f"{found}: {conversion_of_tokenizer(str(folder))}")
    if name in FAMILIES:
        family, stated = FAMILIES[name], checkpoint.special_tokens.object_if_there() | settings
        otherwise = conversion_of_tokenizer(str(folder))
        return build_unigram(folder / family.file, family, stated, otherwise=otherwise)
    if name in _BYTE_LEVEL.values():
        return _byte_level(folder, settings, _special(checkpoint, _ROBERTA_TOKENS))
    return _word_piece(folder, _special(checkpoint, _BERT_TOKENS))


def conversion_of_tokenizer(folder: str) -> str:
    """The command that writes ``tokenizer.json`` beside the vocabulary files of a folder."""
    code = f"from transformers import AutoTokenizer as T; T.from_pretrained({folder!r}).save_pretrained({folder!r})"
    return f'run  python -c "{code}"  (with tiktoken, sentencepiece and protobuf installed), which writes {TOKENIZER}'


def _class_of(checkpoint: CheckpointDescription) -> str:
    """The class of the tokenizer: the stated one, else the default of the architecture."""
    config = checkpoint.config.object_if_there()
    stated = checkpoint.tokenizer_settings().get("tokenizer_class") or config.get("tokenizer_class")
    return str(stated or (_WORD_PIECE | _BYTE_LEVEL | _SENTENCEPIECE).get(str(config.get("model_type")))).removesuffix(
        "Fast"
    )


def _special(checkpoint: CheckpointDescription, defaults: Mapping[str, str]) -> dict[str, str]:
    """The text of each special token, by its role."""
    stated = checkpoint.special_tokens.object_if_there() | checkpoint.tokenizer_settings()
    tokens = {role: stated.get(f"{role}_token") or default for role, default in defaults.items()}
    return {role: str(token["content"] if isinstance(token, dict) else token) for role, token in tokens.items()}


def _word_piece(folder: Path, special: Mapping[str, str]) -> Json:
    """BERT's tokenizer; its case and accents are set afterwards, by ``tokenizer_config.json``."""
    lines = _text(folder / WORDS).removesuffix("\n").split("\n")
    vocabulary = {word: index for index, word in enumerate(lines)}
    ids = _ids_of(special, vocabulary, folder / WORDS)
    ends = {
        special[role]: {"id": special[role], "ids": [ids[role]], "tokens": [special[role]]} for role in ("cls", "sep")
    }
    single = [
        {"SpecialToken": {"id": special["cls"], "type_id": 0}},
        {"Sequence": {"id": "A", "type_id": 0}},
        {"SpecialToken": {"id": special["sep"], "type_id": 0}},
    ]
    pair = [*single, {"Sequence": {"id": "B", "type_id": 1}}, {"SpecialToken": {"id": special["sep"], "type_id": 1}}]
    return {
        "version": "1.0",
        "added_tokens": [_added(special[role], number) for role, number in ids.items()],
        "normalizer": {
            "type": "BertNormalizer",
            "clean_text": True,
            "handle_chinese_chars": True,
            "strip_accents": None,
            "lowercase": True,
        },
        "pre_tokenizer": {"type": "BertPreTokenizer"},
        "post_processor": {"type": "TemplateProcessing", "single": single, "pair": pair, "special_tokens": ends},
        "model": {
            "type": "WordPiece",
            "unk_token": special["unk"],
            "continuing_subword_prefix": "##",
            "max_input_chars_per_word": 100,
            "vocab": vocabulary,
        },
    }


def _byte_level(folder: Path, settings: Mapping[str, Any], special: Mapping[str, str]) -> Json:
    """RoBERTa's tokenizer."""
    vocabulary = read_json_file(folder / PIECES).object()
    ids = _ids_of(special, vocabulary, folder / PIECES)
    options = {"add_prefix_space": settings.get("add_prefix_space") is True, "trim_offsets": True}
    return {
        "version": "1.0",
        "added_tokens": [_added(special[role], number) for role, number in ids.items()],
        "normalizer": None,
        "pre_tokenizer": {"type": "ByteLevel", "use_regex": True, **options},
        "post_processor": {
            "type": "RobertaProcessing",
            "sep": [special["sep"], ids["sep"]],
            "cls": [special["cls"], ids["cls"]],
            **options,
        },
        "model": {
            "type": "BPE",
            "dropout": None,
            "unk_token": None,
            "continuing_subword_prefix": "",
            "end_of_word_suffix": "",
            "fuse_unk": False,
            "byte_fallback": False,
            "vocab": vocabulary,
            "merges": _merges(folder / MERGES, vocabulary),
        },
    }


def _merges(path: Path, vocabulary: Mapping[str, int]) -> list[list[str]]:
    """The pairs of pieces that are merged, in order; the first line may name the format's version."""
    lines = [line for line in _text(path).split("\n") if line and not line.startswith("#version")]
    pairs = [line.split(" ") for line in lines]
    wrong = [
        line
        for line, pair in zip(lines, pairs, strict=True)
        if line.count(" ") != 1 or not {*pair, "".join(pair)} <= vocabulary.keys()
    ]
    if wrong:
        found = f"{path} has the line {wrong[0]!r:.60}"
        raise SourceError(f"{found}, expected two pieces that are in {PIECES}, as their union is: fetch both again")
    return pairs


def _ids_of(special: Mapping[str, str], vocabulary: Mapping[str, int], path: Path) -> dict[str, int]:
    """The id of each special token, by its role."""
    absent = [token for token in special.values() if token not in vocabulary]
    if absent:
        remedy = conversion_of_tokenizer(str(path.parent))
        raise SourceError(f"{path} has no {', '.join(absent)}, which the tokenizer's class has: {remedy}")
    return {role: vocabulary[token] for role, token in special.items()}


def _added(token: str, number: int) -> Json:
    """A special token, which is found in a text before anything else is done with it."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    return {"id": number, "content": token, **flags}


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        raise SourceError(f"{path} cannot be read ({error}): fetch it again") from error

"""Build the tokenizer of a SentencePiece file with a Unigram model, as transformers 5 builds it.

The families differ in what they put around the file's pieces: XLM-R and CamemBERT have ids of their own before them
(from fairseq, which they were trained with), T5 has its sentinels behind them, ALBERT lowers case and strips accents.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.sentencepiece_file.model_proto import (
    CONTROL,
    NORMAL,
    UNIGRAM,
    UNKNOWN,
    USER_DEFINED,
    read_sentencepiece,
)

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.sentencepiece_file.model_proto import SentencePieceModel

    Json = dict[str, Any]

Settings: TypeAlias = Mapping[str, Any]
"""``tokenizer_config.json`` over ``special_tokens_map.json``."""

Vocabulary: TypeAlias = list[tuple[str, float]]
"""Pieces and their scores; the position is the id."""

_SPACE = "\u2581"


@dataclass(frozen=True)
class Family:
    """A class of tokenizers.

    Attributes:
        file: The name of its SentencePiece file.
        tokens: The text of each special token, by its role, where the settings do not say otherwise.
        single: The roles of the tokens around a text, which is A.
        pair: The same around two texts, A and B.
        unknown_id: Id of the token for what is not in the vocabulary.
        vocabulary: Puts the family's own tokens around the file's pieces.
        is_usual: Whether the file's first pieces are those that the family replaces or keeps.
        second_type: The type of B's tokens.
    """

    file: str
    tokens: Mapping[str, str]
    single: tuple[str, ...]
    pair: tuple[str, ...]
    unknown_id: int
    vocabulary: Callable[[Vocabulary, Mapping[str, str], Settings], Vocabulary]
    is_usual: Callable[[SentencePieceModel], bool]
    second_type: int = 0


def build_unigram(path: Path, family: Family, settings: Settings, *, otherwise: str) -> Json:
    """Build what ``tokenizer.json`` would hold.

    Args:
        path: The SentencePiece file.
        family: The class of its tokenizer.
        settings: What the files beside it say.
        otherwise: The command that builds any tokenizer, for messages.

    Raises:
        SourceError: the file is damaged, or something in it or in the settings is not built.
    """
    model = read_sentencepiece(path)
    if unusual := _unusual(model, family, settings):
        raise SourceError(f"{path} has {unusual}, which is not built: {otherwise}")
    try:
        special = {role: _content(settings.get(f"{role}_token") or text) for role, text in family.tokens.items()}
        vocabulary = family.vocabulary([(piece.text, piece.score) for piece in model.pieces], special, settings)
        added = _added_tokens(model, family, settings, vocabulary)
        stated = _stated_ids(settings)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        found = f"{path.parent} states special tokens in another form than transformers saves ({error!r})"
        raise SourceError(f"{found}: fetch tokenizer_config.json and special_tokens_map.json again") from error
    ids = {piece: index for index, (piece, _) in enumerate(vocabulary)}
    absent = [content for content in (*special.values(), *added) if content not in ids]
    absent += [content for content, number in stated.items() if ids.get(content, number) != number]
    if absent:
        raise SourceError(f"{path} has no {', '.join(dict.fromkeys(absent))} with the id that is stated: {otherwise}")
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": sorted(({"id": ids[each]} | added[each] for each in added), key=lambda token: token["id"]),
        "normalizer": _normalizer(model.charsmap, family, settings),
        "pre_tokenizer": _words(family, settings),
        "post_processor": _post_processor(family, special, ids),
        "decoder": _metaspace(family, settings),
        "model": {"type": "Unigram", "unk_id": family.unknown_id, "vocab": vocabulary, "byte_fallback": False},
    }


def _unusual(model: SentencePieceModel, family: Family, settings: Settings) -> str:
    """What the family's class does not have; empty if there is nothing."""
    if model.model_type != UNIGRAM:
        return f"another model than Unigram (type {model.model_type})"
    if model.byte_fallback:
        return "pieces for bytes (byte_fallback)"
    if not family.is_usual(model):
        return f"other first pieces ({', '.join(piece.text for piece in model.pieces[:3])}) than its class expects"
    return "sp_model_kwargs beside it" if settings.get("sp_model_kwargs") else ""


def _added_tokens(model: SentencePieceModel, family: Family, settings: Settings, vocabulary: Vocabulary) -> Json:
    """The tokens that are found in a text before anything else is done with it, by their text.

    What is stated later takes the place of what was stated before: special tokens by role, further ones, or without
    those the pieces that the file says are no text; T5's sentinels; the list with all flags that transformers saves.
    """
    named = [_token(settings.get(f"{role}_token") or text, family, role) for role, text in family.tokens.items()]
    further = settings.get("extra_special_tokens") or settings.get("additional_special_tokens") or []
    named += [_token(each) for each in (further.values() if isinstance(further, dict) else further)]
    names = {token["content"] for token in named}
    pieces = [] if further else model.pieces
    named += [
        _token(piece.text) | {"special": piece.kind == CONTROL or piece.text in names}
        for piece in pieces
        if piece.kind in {CONTROL, USER_DEFINED}
    ]
    if family is T5:
        named += [_token(content) for content, _ in vocabulary[len(model.pieces) :]]
    named += [_token(each) for each in (settings.get("added_tokens_decoder") or {}).values()]
    return {token["content"]: token for token in named}


def _token(stated: object, family: Family | None = None, role: str = "") -> Json:
    """A special token with its flags; a file has the text alone, or an object with them."""
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    if isinstance(stated, dict):
        given = {name: bool(stated[name]) for name in flags if name in stated}
        return {"content": str(stated["content"]), **flags, **given} | ({"special": True} if role else {})
    return {"content": str(stated), **flags, "lstrip": family is CAMEMBERT and role == "mask"}


def _content(stated: object) -> str:
    return str(stated["content"] if isinstance(stated, dict) else stated)


def _stated_ids(settings: Settings) -> dict[str, int]:
    return {_content(each): int(number) for number, each in (settings.get("added_tokens_decoder") or {}).items()}


def _normalizer(charsmap: bytes, family: Family, settings: Settings) -> Json | None:
    steps: list[Json] = []
    if family is ALBERT:
        steps = [{"type": "Replace", "pattern": {"String": quotes}, "content": '"'} for quotes in ("``", "''")]
        if not settings.get("keep_accents", False):
            steps += [{"type": "NFKD"}, {"type": "StripAccents"}]
        if settings.get("do_lower_case", True):
            steps += [{"type": "Lowercase"}]
    if charsmap:
        steps.append({"type": "Precompiled", "precompiled_charsmap": base64.b64encode(charsmap).decode()})
    if family is not ALBERT:
        return steps[0] if steps else None
    return {"type": "Sequence", "normalizers": steps}


def _words(family: Family, settings: Settings) -> Json:
    return {"type": "Sequence", "pretokenizers": [{"type": "WhitespaceSplit"}, _metaspace(family, settings)]}


def _metaspace(family: Family, settings: Settings) -> Json:
    """Puts the sign for a space before each word, unless the settings want none."""
    prefixed = family is T5 or settings.get("add_prefix_space") is not False
    scheme = "always" if prefixed else "never"
    return {"type": "Metaspace", "replacement": _SPACE, "prepend_scheme": scheme, "split": True}


def _post_processor(family: Family, special: Mapping[str, str], ids: Mapping[str, int]) -> Json:
    tokens = [special[role] for role in dict.fromkeys(family.pair) if role in special]
    return {
        "type": "TemplateProcessing",
        "single": _template(family.single, special),
        "pair": _template(family.pair, special, family.second_type),
        "special_tokens": {token: {"id": token, "ids": [ids[token]], "tokens": [token]} for token in tokens},
    }


def _template(parts: tuple[str, ...], special: Mapping[str, str], second_type: int = 0) -> list[Json]:
    """The places of the texts and the special tokens; from the second text on they have a type of their own."""
    places: list[Json] = []
    number = 0
    for part in parts:
        number = second_type if part == "B" else number
        name = "Sequence" if part in {"A", "B"} else "SpecialToken"
        places.append({name: {"id": special.get(part, part), "type_id": number}})
    return places


def _xlm_roberta(pieces: Vocabulary, special: Mapping[str, str], settings: Settings) -> Vocabulary:
    del settings
    first = [(special[role], 0.0) for role in ("bos", "pad", "eos", "unk")]
    return [*first, *pieces[3:], (special["mask"], 0.0)]


def _camembert(pieces: Vocabulary, special: Mapping[str, str], settings: Settings) -> Vocabulary:
    del settings
    first = [("<s>NOTUSED", 0.0), (special["pad"], 0.0), ("</s>NOTUSED", 0.0), (special["unk"], 0.0)]
    return [*first, ("<unk>NOTUSED", -100.0), *pieces[1:], (special["mask"], 0.0)]


def _albert(pieces: Vocabulary, special: Mapping[str, str], settings: Settings) -> Vocabulary:
    del special, settings
    return pieces


def _t5(pieces: Vocabulary, special: Mapping[str, str], settings: Settings) -> Vocabulary:
    del special
    sentinels = reversed(range(int(settings.get("extra_ids", 100))))
    return [*pieces, *((f"<extra_id_{number}>", 0.0) for number in sentinels)]


def _has_unknown_at(index: int) -> Callable[[SentencePieceModel], bool]:
    return lambda model: len(model.pieces) > index and model.pieces[index].kind == UNKNOWN


def _tokens(first: str, last: str, mask: str) -> dict[str, str]:
    ends = {"bos": first, "cls": first, "eos": last, "sep": last}
    return ends | {"pad": "<pad>", "unk": "<unk>", "mask": mask}


_ONE, _TWO = ("bos", "A", "eos"), ("bos", "A", "eos", "eos", "B", "eos")

XLM_ROBERTA = Family(
    file="sentencepiece.bpe.model",
    tokens=_tokens("<s>", "</s>", "<mask>"),
    single=_ONE,
    pair=_TWO,
    unknown_id=3,
    vocabulary=_xlm_roberta,
    is_usual=lambda model: len(model.pieces) > 3 and all(piece.kind != NORMAL for piece in model.pieces[:3]),  # noqa: PLR2004
)
CAMEMBERT = Family(
    file="sentencepiece.bpe.model",
    tokens=_tokens("<s>", "</s>", "<mask>"),
    single=_ONE,
    pair=_TWO,
    unknown_id=3,
    vocabulary=_camembert,
    is_usual=_has_unknown_at(0),
)
ALBERT = Family(
    file="spiece.model",
    tokens=_tokens("[CLS]", "[SEP]", "[MASK]"),
    single=("cls", "A", "sep"),
    pair=("cls", "A", "sep", "B", "sep"),
    second_type=1,
    unknown_id=1,
    vocabulary=_albert,
    is_usual=_has_unknown_at(1),
)
T5 = Family(
    file="spiece.model",
    tokens={"eos": "</s>", "unk": "<unk>", "pad": "<pad>"},
    single=("A", "eos"),
    pair=("A", "eos", "B", "eos"),
    unknown_id=2,
    vocabulary=_t5,
    is_usual=_has_unknown_at(2),
)

FAMILIES: Mapping[str, Family] = {
    "XLMRobertaTokenizer": XLM_ROBERTA,
    "CamembertTokenizer": CAMEMBERT,
    "AlbertTokenizer": ALBERT,
    "T5Tokenizer": T5,
}
"""By the class of tokenizer."""

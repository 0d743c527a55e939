"""Read the texts of an int8 export by kind: some to calibrate on, the others to compare the models on."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from importlib.resources import files
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.export.int8.number_texts import number_texts
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin.encode.tokenizer import TextTokenizer

    TextsByKind = dict[str, list[str]]

BUILT_IN = "built-in"
YOURS = "yours"
"""The kind of a user's own texts."""

QUERIES = "queries"
GATE_QUERIES = "gate queries"
QUERY_KINDS = (QUERIES, GATE_QUERIES)
"""Kinds that are encoded with the query prefix, as users' queries are; the others are documents."""

CALIBRATED = {QUERIES: 16, "short": 16, "long": 28, "code": 16, "numbers": 16, "words": 20, "scripts": 16}
"""Built-in texts of each kind that are calibrated on, 128 in all; beside a user's own texts half as many."""

NUMBERS = 96
MOST_YOURS = 64
"""Most of a user's texts that are calibrated on."""

MOST_READ = 256
"""Most of a user's texts that are read; those that are not calibrated on are held out."""

FEWEST_TEXTS = 10
MOST_UNKNOWN = 0.3
"""Share of unknown tokens at which a text is left out: it shows nothing of how the model encodes text it knows."""

CHARACTERS_OF_A_FILE = 2_000
_SUFFIXES = {".txt", ".md", ".markdown", ".rst", ".jsonl"}


@dataclass(frozen=True)
class CalibrationTexts:
    """Texts for calibration, and held-out texts to compare the models on.

    Attributes:
        origin: ``built-in``, or the name of the file or folder that a user's texts came from.
        calibration: Texts by which channels are kept and weights rounded, by kind.
        held_out: Texts that are not used for calibration, by kind.
        unknown: Number of texts left out because the tokenizer does not know them.
    """

    origin: str
    calibration: TextsByKind
    held_out: TextsByKind
    unknown: int = 0

    @property
    def calibrated_on(self) -> list[str]:
        """The calibration texts of all kinds."""
        return [text for texts in self.calibration.values() for text in texts]


def read_calibration_texts(path: Path | None) -> CalibrationTexts:
    """Read the built-in texts, and a user's own as one kind more.

    Args:
        path: A user's texts: a file of lines, a ``.jsonl`` file (its ``text`` field), or a folder of such files; None:
            the built-in texts alone, which were written for this project.

    Raises:
        InvalidInputError: the path cannot be read, or holds fewer than 10 texts.
    """
    if path is None:
        return _split(BUILT_IN, _built_in(), CALIBRATED)
    yours = list(dict.fromkeys(text for text in _read_texts(path) if text.strip()))
    if len(yours) < FEWEST_TEXTS:
        message = f"{path} holds {len(yours)} different texts; calibration needs at least {FEWEST_TEXTS}"
        raise InvalidInputError(f"{message}, a few hundred of the kind you will encode are better")
    yours = _spread(yours, MOST_READ)
    counts = {YOURS: min(MOST_YOURS, len(yours) * 4 // 5), **{kind: most // 2 for kind, most in CALIBRATED.items()}}
    return _split(path.name, {YOURS: yours, **_built_in()}, counts)


def leave_out_unknown(texts: CalibrationTexts, tokenizer: TextTokenizer) -> CalibrationTexts:
    """Leave out the texts that the tokenizer does not know, and the kinds that have none left.

    Raises:
        InvalidInputError: no text to calibrate on, or to compare on, is left of the user's own or of all.
    """
    calibration, held_out = (known_by_kind(part, tokenizer) for part in (texts.calibration, texts.held_out))
    if YOURS in texts.held_out and not (YOURS in calibration and YOURS in held_out):
        found = f"{texts.origin}: {MOST_UNKNOWN:.0%} or more of the tokens are unknown to the model's tokenizer"
        raise InvalidInputError(f"{found} in nearly all texts: take a model of the texts' language, or other texts")
    if not calibration or not held_out:
        found = "the model's tokenizer knows none of the built-in texts"
        raise InvalidInputError(f"{found}: calibrate on texts of its language (--calibration)")
    unknown = sum(_count(part) for part in (texts.calibration, texts.held_out)) - _count(calibration) - _count(held_out)
    return replace(texts, calibration=calibration, held_out=held_out, unknown=unknown)


def known_by_kind(texts: TextsByKind, tokenizer: TextTokenizer) -> TextsByKind:
    """Keep the texts whose share of unknown tokens is below :data:`MOST_UNKNOWN`, and the kinds that have such."""
    known = {kind: _known(each, tokenizer) for kind, each in texts.items()}
    return {kind: each for kind, each in known.items() if each}


def _known(texts: Sequence[str], tokenizer: TextTokenizer) -> list[str]:
    tokens, unknown = tokenizer.count(texts, prefix=""), tokenizer.count_unknown_in(texts, prefix="")
    return [text for text, is_known in zip(texts, unknown < MOST_UNKNOWN * tokens, strict=True) if is_known]


def _count(texts: TextsByKind) -> int:
    return sum(map(len, texts.values()))


def _built_in() -> TextsByKind:
    shipped = files("embed_plugin.export.int8").joinpath("built_in_texts.jsonl").read_text(encoding="utf-8")
    texts: TextsByKind = {}
    for line in shipped.strip().split("\n"):
        record = json.loads(line)
        texts.setdefault(record["kind"], []).append(record["text"])
    return {kind: texts.get(kind) or list(dict.fromkeys(number_texts(NUMBERS))) for kind in CALIBRATED}


def _split(origin: str, texts: TextsByKind, counts: dict[str, int]) -> CalibrationTexts:
    """Take so many texts of each kind for calibration, evenly from the whole, and hold out the others."""
    taken = {kind: set(_spread(each, counts[kind])) for kind, each in texts.items()}
    calibration = {kind: [text for text in each if text in taken[kind]] for kind, each in texts.items()}
    held_out = {kind: [text for text in each if text not in taken[kind]] for kind, each in texts.items()}
    return CalibrationTexts(origin, calibration, held_out)


def _spread(texts: list[str], most: int) -> list[str]:
    """At most ``most`` texts, taken evenly from the whole."""
    if len(texts) <= most:
        return texts
    return [texts[i * len(texts) // most] for i in range(most)]


def _read_texts(path: Path) -> list[str]:
    try:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
            return [text for file in inside for text in _texts_of_file_in_folder(file)]
        if path.suffix == ".jsonl":
            return list(_jsonl_texts(path))
        with path.open("rb") as stream:
            return [line.text for line in read_text_lines(stream, str(path))]
    except (OSError, RecordError) as error:
        raise InvalidInputError(f"calibration texts {path} cannot be read ({error}); expected UTF-8 text") from error


def _texts_of_file_in_folder(path: Path) -> Iterator[str]:
    if path.suffix == ".jsonl":
        yield from _jsonl_texts(path)
    else:
        with path.open("rb") as stream:
            yield "\n".join(line.text for line in read_text_lines(stream, str(path)))[:CHARACTERS_OF_A_FILE]


def _jsonl_texts(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        for place, line in read_text_lines(stream, str(path)):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidInputError(f"{place}: not a JSON object with a field 'text' ({error!r})") from error
            yield str(text)

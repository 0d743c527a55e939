"""Texts of six kinds, for measuring what rounding costs; those measured on and those calibrated on never overlap."""

from __future__ import annotations

import json
import random
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.evaluate import read_retrieval_dataset, read_sentence_pairs
from lib.workloads import standard_library_texts

if TYPE_CHECKING:
    from collections.abc import Sequence

COUNTS = {"abstracts": 60, "claims": 300, "sentences": 300, "code": 150, "numbers": 150, "words": 500}
"""Texts of each kind that are measured on; as many others can be calibrated on."""

CHARACTERS_OF_CODE = 600


def read_kinds(scifact: Path, stsb: Path, words: Sequence[str]) -> dict[str, tuple[list[str], list[str]]]:
    """Texts to measure on and texts to calibrate on, by kind.

    Args:
        scifact: A BEIR folder: its abstracts and claims.
        stsb: A file of STS-B: its sentences.
        words: The model's vocabulary.
    """
    dataset, pairs = read_retrieval_dataset(scifact), read_sentence_pairs(stsb)
    rng = random.Random(0)  # noqa: S311 - a seeded order, no secret
    sources = {
        "abstracts": [document.text for document in dataset.documents()],
        "claims": _claims(scifact),
        "sentences": list(dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second))),
        "code": _code(),
        "numbers": [_numbers(rng) for _ in range(2 * COUNTS["numbers"])],
        "words": sorted(word for word in words if word.isascii() and word.isalnum()),
    }
    kinds = {}
    for kind, texts in sources.items():
        rng.shuffle(texts)
        count = COUNTS[kind]
        kinds[kind] = texts[:count], texts[count : 2 * count]
    return kinds


def _claims(scifact: Path) -> list[str]:
    lines = (scifact / "queries.jsonl").read_text(encoding="utf-8").splitlines()
    return [str(json.loads(line)["text"]) for line in lines]


def _numbers(rng: random.Random) -> str:
    """1 to 60 whole numbers of 1 to 9 digits."""
    return " ".join(str(rng.randrange(10 ** rng.randint(1, 9))) for _ in range(rng.choice((1, 2, 4, 8, 16, 30, 60))))


def _code() -> list[str]:
    """Docstrings and pieces of source of the standard library, half and half."""
    sources = sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py"))
    pieces = [path.read_text(encoding="utf-8", errors="replace")[2000 : 2000 + CHARACTERS_OF_CODE] for path in sources]
    pieces = [piece for piece in pieces if piece.strip()]
    return standard_library_texts(len(pieces))[: len(pieces)] + pieces

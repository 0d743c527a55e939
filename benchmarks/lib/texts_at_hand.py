"""Texts by kind from data at hand: SciFact, STS-B, the standard library, a vocabulary, numbers, scripts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embed_plugin.evaluate import read_retrieval_dataset, read_sentence_pairs
from lib.text_pools import read_pools
from lib.varied_texts import numbers, script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from lib.text_pools import Pools

TEXTS = 800
GENERATED = 300
NUMBERS_OF_A_TEXT, WORDS_OF_A_TEXT = 60, 40


@dataclass(frozen=True)
class Kind:
    """Texts of one kind, and how they are encoded."""

    name: str
    role: Literal["document", "query"]
    texts: list[str]


def texts_at_hand(model: Path, shared: Path, skip: Callable[[str], None], *, most: int = TEXTS) -> Iterator[Kind]:
    """Yield each kind whose data is there.

    Args:
        model: A folder of the model, whose vocabulary has the single words.
        shared: A folder with ``scifact/`` and ``stsb/``.
        skip: Called with a line about each kind that is not there.
        most: Most texts of a kind; SciFact is always whole, for its abstracts are searched.
    """
    if (shared / "scifact").is_dir():
        dataset = read_retrieval_dataset(shared / "scifact")
        yield Kind("abstracts", "document", [document.text for document in dataset.documents()])
        yield Kind("claims", "query", list(dataset.queries.values()))
    else:
        skip(f"abstracts, claims: {shared / 'scifact'} is not there (BEIR's SciFact)")
    if (shared / "stsb" / "sts-test.csv").is_file():
        pairs = read_sentence_pairs(shared / "stsb" / "sts-test.csv")
        sentences = list(dict.fromkeys(text for pair in pairs for text in (pair.first, pair.second)))
        yield Kind("sentences", "document", sample(sentences, most))
    else:
        skip(f"sentences: {shared / 'stsb' / 'sts-test.csv'} is not there (STS-B)")
    yield from _own(read_pools(model), most)


def _own(pools: Pools, most: int) -> Iterator[Kind]:
    """The kinds that need no data."""
    rng = random.Random(5)  # noqa: S311 - seeded texts, no secret
    yield Kind("docstrings", "document", sample(pools.sentences, most))
    yield Kind("code", "document", sample(pools.functions, most))
    lengths = [1 + int(NUMBERS_OF_A_TEXT * rng.random() ** 2) for _ in range(min(most, GENERATED))]
    yield Kind("numbers", "document", [numbers(rng, pools, length) for length in lengths])
    yield Kind("single words", "document", sample(pools.words, most))
    lengths = [rng.randint(1, WORDS_OF_A_TEXT) for _ in range(min(most, GENERATED))]
    yield Kind("scripts", "document", [script(rng, pools, length) for length in lengths])


def sample(texts: Sequence[str], most: int) -> list[str]:
    """Draw at most so many different texts, the same every time."""
    different = list(dict.fromkeys(texts))
    return random.Random(1).sample(different, min(most, len(different)))  # noqa: S311

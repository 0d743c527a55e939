"""The texts that contenders encode: lengths drawn once, cut from running text to exactly those lengths in tokens."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

from embed_plugin.evaluate import read_retrieval_dataset

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

BENCHMARKS = Path(__file__).resolve().parents[1]
RESULTS = BENCHMARKS / "results"
ROOT = BENCHMARKS.parent
SCIFACT = ROOT.parent / "shared" / "data" / "scifact"
QUERY = "how do I read a text file line by line"
SPECIAL_TOKENS = 2
FILLER = " the"
"""One token; fills up a text whose next word would be too long."""

SOURCE_TEXTS = 2000
BULK_TEXTS, BULK_REQUESTS = 64, 40


@dataclass(frozen=True)
class Workload:
    """Texts in the order they arrive, and the tokens of each, special tokens included."""

    name: str
    texts: list[str]
    lengths: list[int]


def standard_library_texts(count: int) -> list[str]:
    """An even selection of the docstrings that `make demo` searches."""
    script = ROOT / "examples" / "1_stdlib_docs.py"
    lines = subprocess.run([sys.executable, script], capture_output=True, check=True).stdout.splitlines()  # noqa: S603
    texts = [json.loads(line)["text"] for line in lines]
    return texts[:: max(1, len(texts) // count)][:count]


def source_texts(scifact: Path = SCIFACT) -> tuple[str, list[str]]:
    """The name of the source of the running text, and the parts of that text in a random order."""
    if scifact.is_dir():
        origin, texts = "SciFact abstracts", [document.text for document in read_retrieval_dataset(scifact).documents()]
    else:
        origin, texts = "docstrings of the standard library", standard_library_texts(SOURCE_TEXTS)
    random.Random(0).shuffle(texts)  # noqa: S311 - a seeded order, no secret
    return origin, texts[:SOURCE_TEXTS]


def short_lengths(count: int, seed: int = 0) -> list[int]:
    """Workload A: about 50 tokens, 5 to 93 (normal, standard deviation 18)."""
    rng = random.Random(seed)  # noqa: S311
    return [max(5, min(93, round(rng.gauss(50, 18)))) for _ in range(count)]


def mixed_lengths(count: int, seed: int = 0) -> list[int]:
    """Workload B: 10 to 510 tokens, 180 on average (beta 1.1, 2.1), in random order."""
    rng = random.Random(seed)  # noqa: S311
    return [10 + int(500 * rng.betavariate(1.1, 2.1)) for _ in range(count)]


class TextCutter:
    """Cuts running text, word after word, into texts of exact lengths; begins again where it ends."""

    def __init__(self, tokenizer_json: Path, texts: Sequence[str]) -> None:
        tokenizer = Tokenizer.from_file(str(tokenizer_json))
        tokenizer.no_truncation()
        tokenizer.no_padding()
        self.stream = " ".join(texts)
        encoding = tokenizer.encode(self.stream, add_special_tokens=False)
        self.words = list(_words(encoding.word_ids, encoding.offsets))
        self.at = 0

    def cut(self, name: str, lengths: Sequence[int]) -> Workload:
        """Texts of these lengths, special tokens included."""
        return Workload(name, [self._next(length - SPECIAL_TOKENS) for length in lengths], list(lengths))

    def _next(self, tokens: int) -> str:
        """Whole words of at most so many tokens, filled up: a word's tokens do not depend on its neighbours."""
        if self.at + tokens > len(self.words):
            self.at = 0
        first, left = self.at, tokens
        while self.at < len(self.words) and self.words[self.at][2] <= left:
            left -= self.words[self.at][2]
            self.at += 1
        text = self.stream[self.words[first][0] : self.words[self.at - 1][1]] if self.at > first else ""
        self.at += self.at == first  # a word longer than the whole text is passed over
        return text + FILLER * left


def bulk_parts(tokenizer_json: Path) -> list[list[str]]:
    """Texts of workload A for a service, 64 to a request."""
    texts = TextCutter(tokenizer_json, source_texts()[1]).cut("A", short_lengths(BULK_TEXTS * BULK_REQUESTS)).texts
    return [texts[first : first + BULK_TEXTS] for first in range(0, len(texts), BULK_TEXTS)]


def _words(word_ids: Sequence[int | None], offsets: Sequence[tuple[int, int]]) -> Iterator[tuple[int, int, int]]:
    """Start, end and tokens of each word."""
    current, start, end, tokens = None, 0, 0, 0
    for word, (begin, stop) in zip(word_ids, offsets, strict=True):
        if word != current and tokens:
            yield start, end, tokens
            tokens = 0
        if not tokens:
            current, start = word, begin
        end, tokens = stop, tokens + 1
    if tokens:
        yield start, end, tokens

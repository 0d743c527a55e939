"""Read a retrieval dataset in BEIR's layout: ``corpus.jsonl``, ``queries.jsonl``, ``qrels/test.tsv``."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.text_lines import read_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator

    from embed_plugin.evaluate.metrics import Qrels

LAYOUT = "expected a BEIR folder with corpus.jsonl, queries.jsonl and qrels/test.tsv"
_QRELS_COLUMNS = 3


@dataclass(frozen=True)
class Document:
    """One document of a corpus; ``text`` is title, space and text, as BEIR encodes them."""

    id: str
    text: str


@dataclass(frozen=True)
class RetrievalDataset:
    """Queries with judgements, and a corpus that stays on disk.

    Attributes:
        corpus: The file of documents; :meth:`documents` reads it.
        queries: Text of every judged query by id.
        qrels: Judged relevance by query id and document id.
    """

    corpus: Path
    queries: dict[str, str]
    qrels: Qrels

    def documents(self) -> Iterator[Document]:
        """Yield the documents one at a time, in the file's order.

        Raises:
            RecordError: a line is not a document; names it.
        """
        for place, fields in _read_objects(self.corpus):
            title = "" if fields.get("title") is None else _string(fields, "title", place)
            yield Document(_id(fields, place), f"{title} {_string(fields, 'text', place)}".strip())

    def count_documents(self) -> int:
        """Count the documents of the corpus by its lines, without parsing them."""
        return sum(1 for _ in read_lines(self.corpus))


def read_retrieval_dataset(folder: str | os.PathLike[str], *, split: str = "test") -> RetrievalDataset:
    """Read the judgements of a BEIR folder and the queries they are about.

    Args:
        folder: A folder with ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``.
        split: Name of the judgements' file.

    Raises:
        RecordError: a file is missing, a line cannot be read, or a judged query has no text; names file and line.
    """
    folder = Path(folder)
    corpus, queries_file, qrels_file = folder / "corpus.jsonl", folder / "queries.jsonl", folder / f"qrels/{split}.tsv"
    for path in (corpus, queries_file, qrels_file):
        if not path.is_file():
            raise RecordError(f"{path} is not there: {LAYOUT}")
    qrels = _read_qrels(qrels_file)
    queries: dict[str, str] = {}
    for place, fields in _read_objects(queries_file):
        if (query := _id(fields, place)) in qrels:
            queries[query] = _string(fields, "text", place)
    if missing := [query for query in qrels if query not in queries]:
        message = f"{qrels_file} judges query {missing[0]!r}, and {len(missing) - 1} more, that {queries_file} lacks"
        raise RecordError(f"{message}: take both files from one download of the dataset")
    return RetrievalDataset(corpus, queries, qrels)


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for number, (place, line) in enumerate(read_lines(path)):
        columns = line.split("\t")
        score = _relevance(columns)
        if number == 0:
            if score is not None:
                raise RecordError(f"{place}: no header; put  query-id<TAB>corpus-id<TAB>score  on the first line")
        elif score is None:
            raise RecordError(f"{place}: expected query id, document id and a whole number, split by tabs: {line!r}")
        elif qrels.setdefault(columns[0], {}).setdefault(columns[1], score) != score:
            raise RecordError(f"{place}: {columns[1]!r} was judged otherwise above: keep one of the two lines")
    if not qrels:
        raise RecordError(f"{path} has no judgements: {LAYOUT}")
    return qrels


def _relevance(columns: list[str]) -> int | None:
    """The third of three columns; None: it is not an integer."""
    try:
        return int(columns[2]) if len(columns) == _QRELS_COLUMNS else None
    except ValueError:
        return None


def _read_objects(path: Path) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield every JSON object of a JSONL file with its ``file:line``."""
    for place, line in read_lines(path):
        try:
            value: object = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordError(f"{place}: not JSON ({error}); every line must be one JSON object") from error
        if not isinstance(value, dict):
            raise RecordError(f"{place}: found a {type(value).__name__}, expected a JSON object with _id and text")
        yield place, value


def _id(fields: dict[str, object], place: str) -> str:
    value = fields.get("_id")
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise RecordError(f"{place}: no field '_id' with a string: name the record in that field")
    return str(value)


def _string(fields: dict[str, object], name: str, place: str) -> str:
    value = fields.get(name)
    if not isinstance(value, str):
        raise RecordError(f"{place}: no field {name!r} with a string: put the text in that field")
    return value

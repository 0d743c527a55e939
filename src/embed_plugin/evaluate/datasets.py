"""Read a retrieval dataset: BEIR's folders, and the files of MTEB's hub in JSON Lines and Parquet."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.evaluate.read.columns import Columns
from embed_plugin.evaluate.read.layout import LAYOUT, find_retrieval
from embed_plugin.evaluate.read.rows import count_rows, read_rows
from embed_plugin.evaluate.read.text_lines import read_lines

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from embed_plugin.evaluate.metrics import Qrels

ID_NAMES = ("_id", "id")
DOCUMENT = Columns((ID_NAMES, ("text",)), optional=("title",))
QUERY = Columns((ID_NAMES, ("text",)))
JUDGEMENT = Columns((("query-id",), ("corpus-id",)), optional=("score",), exact=True)
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
        corpus: The files of documents, in order; :meth:`documents` reads them.
        queries: Text of every judged query by id.
        qrels: Judged relevance by query id and document id.
        name: The folder's name.
        split: The name of the judgements; empty where they have none.
    """

    corpus: tuple[Path, ...]
    queries: dict[str, str]
    qrels: Qrels
    name: str
    split: str

    def documents(self) -> Iterator[Document]:
        """Yield the documents one at a time, in the files' order.

        Raises:
            RecordError: a line or a row is not a document; names it.
        """
        for path in self.corpus:
            for row in read_rows(path, DOCUMENT):
                title = "" if row.values.get("title") is None else row.string("title")
                yield Document(row.identifier(*ID_NAMES), f"{title} {row.string('text')}".strip())

    def count_documents(self) -> int:
        """Count the documents of the corpus by its lines or rows, without parsing them."""
        return sum(map(count_rows, self.corpus))


def read_retrieval_dataset(
    folder: str | os.PathLike[str], *, split: str | None = None, subset: str | None = None
) -> RetrievalDataset:
    """Read the judgements of a dataset and the queries they are about.

    Args:
        folder: ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/<split>.tsv``, or a dataset of MTEB as its hub has it;
            :mod:`~embed_plugin.evaluate.read.layout` describes both.
        split: The judgements to take: by default ``test``, else the only ones.
        subset: The subset to take, such as a language: by default the one without a name, else the only one.

    Raises:
        RecordError: a file is missing, a line or a row cannot be read, or a judged query has no text; names the place.
        MissingExtraError: the files are Parquet, and pyarrow is not installed.
    """
    folder = Path(folder)
    files = find_retrieval(folder, split=split, subset=subset)
    qrels = _read_qrels(files.qrels)
    queries: dict[str, str] = {}
    for path in files.queries:
        for row in read_rows(path, QUERY):
            if (query := row.identifier(*ID_NAMES)) in qrels:
                queries[query] = row.string("text")
    if missing := [query for query in qrels if query not in queries]:
        message = f"{files.qrels[0]} judges query {missing[0]!r}, and {len(missing) - 1} more, that "
        message += f"{files.queries[0]} lacks"
        raise RecordError(f"{message}: take both files from one download of the dataset")
    return RetrievalDataset(files.corpus, queries, qrels, folder.absolute().name, files.split)


def _read_qrels(paths: Sequence[Path]) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    for path in paths:
        judgements = _lines_of_qrels(path) if path.suffix == ".tsv" else _rows_of_qrels(path)
        for place, query, document, score in judgements:
            if qrels.setdefault(query, {}).setdefault(document, score) != score:
                raise RecordError(f"{place}: {document!r} was judged otherwise above: keep one of the two")
    if not qrels:
        raise RecordError(f"{paths[0]} has no judgements: {LAYOUT}")
    return qrels


def _rows_of_qrels(path: Path) -> Iterator[tuple[str, str, str, int]]:
    """Yield place, query, document and relevance; without the column of scores, every pair is relevant."""
    for row in read_rows(path, JUDGEMENT):
        JUDGEMENT.choose(list(row.values), row.place)  # an object of JSON Lines has columns of its own
        score = row.number("score") if "score" in row.values else 1
        if score != int(score):
            raise RecordError(f"{row.place}: the score is {score!r}, expected a whole number: round it")
        yield row.place, row.identifier("query-id"), row.identifier("corpus-id"), int(score)


def _lines_of_qrels(path: Path) -> Iterator[tuple[str, str, str, int]]:
    for number, (place, line) in enumerate(read_lines(path)):
        columns = line.split("\t")
        score = _relevance(columns)
        if number == 0:
            if score is not None:
                raise RecordError(f"{place}: no header; put  query-id<TAB>corpus-id<TAB>score  on the first line")
        elif score is None:
            raise RecordError(f"{place}: expected query id, document id and a whole number, split by tabs: {line!r}")
        else:
            yield place, columns[0], columns[1], score


def _relevance(columns: list[str]) -> int | None:
    """The third of three columns; None: it is not an integer."""
    try:
        return int(columns[2]) if len(columns) == _QRELS_COLUMNS else None
    except ValueError:
        return None

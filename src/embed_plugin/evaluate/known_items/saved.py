"""Save known-item questions and the texts of their collection as a BEIR folder."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from embed_plugin.evaluate.known_items.passages import StoredText
    from embed_plugin.evaluate.known_items.questions import Question


def require_new_folder(folder: str | os.PathLike[str]) -> Path:
    """Return the path of a folder that is not there or empty.

    Raises:
        OutputError: something is there.
    """
    path = Path(folder)
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise OutputError(f"{path} is there already: name a new folder for the questions, or remove that one")
    return path


def save_questions(folder: str | os.PathLike[str], questions: Sequence[Question], texts: Iterable[StoredText]) -> None:
    """Write ``corpus.jsonl``, ``queries.jsonl`` and ``qrels/test.tsv``.

    A document is a stored text, and those that a question was made from are relevant to it. The judgements are written
    last, so that an incomplete folder is refused when it is read.

    Raises:
        OutputError: the folder is not empty, or cannot be written.
    """
    path = require_new_folder(folder)
    documents = ({"_id": text.id, "title": "", "text": text.text} for text in texts if text.text.strip())
    queries = ({"_id": f"q{n}", "text": each.text, "metadata": {"kind": each.kind}} for n, each in _numbered(questions))
    judgements = "".join(f"q{n}\t{source}\t1\n" for n, each in _numbered(questions) for source in each.sources)
    try:
        (path / "qrels").mkdir(parents=True, exist_ok=True)
        _write_lines(path / "corpus.jsonl", documents)
        _write_lines(path / "queries.jsonl", queries)
        content = f"query-id\tcorpus-id\tscore\n{judgements}"
        (path / "qrels" / "test.tsv").write_text(content, encoding="utf-8", newline="\n")
    except OSError as error:
        raise OutputError(f"{path} cannot be written ({error.strerror}): choose another folder") from error


def _numbered(questions: Sequence[Question]) -> Iterator[tuple[int, Question]]:
    return enumerate(questions, start=1)


def _write_lines(path: Path, lines: Iterable[object]) -> None:
    with path.open("w", encoding="utf-8", newline="\n") as file:
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

"""A tiny BEIR folder and a tiny file of sentence pairs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def beir(tmp_path: Path) -> Path:
    """Twelve documents; q1 and q2 are documents' texts word for word, q3 is judged about a document not there."""
    folder = tmp_path / "beir"
    (folder / "qrels").mkdir(parents=True)
    documents = [{"_id": f"d{n}", "title": "Title" if n % 2 else "", "text": f"text {n}"} for n in range(12)]
    queries = {"q1": "Title text 1", "q2": "text 2", "q3": "elsewhere", "q4": "not judged"}
    judgements = ["query-id\tcorpus-id\tscore", "q1\td1\t1", "q2\td2\t2", "q2\td3\t0", "q3\tabsent\t1"]
    (folder / "corpus.jsonl").write_text("".join(json.dumps(each) + "\n" for each in documents), encoding="utf-8")
    lines = [json.dumps({"_id": id_, "text": text, "metadata": {}}) + "\n" for id_, text in queries.items()]
    (folder / "queries.jsonl").write_text("".join(lines), encoding="utf-8")
    (folder / "qrels" / "test.tsv").write_text("\n".join(judgements) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def sts(tmp_path: Path) -> Path:
    path = tmp_path / "sts-test.csv"
    lines = [f'genre\tfile\t2012\t{n}\t{n / 2}\tone "{n}\tother {n}\tlicence\n' for n in range(8)]
    path.write_text("".join(lines), encoding="utf-8")
    return path

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import RecordError
from embed_plugin.evaluate import Document, read_retrieval_dataset

if TYPE_CHECKING:
    from pathlib import Path


def test_judged_queries_are_read_and_documents_streamed(beir: Path) -> None:
    dataset = read_retrieval_dataset(beir)
    assert dataset.queries == {"q1": "Title text 1", "q2": "text 2", "q3": "elsewhere"}
    assert dataset.qrels == {"q1": {"d1": 1}, "q2": {"d2": 2, "d3": 0}, "q3": {"absent": 1}}
    assert list(dataset.documents())[:2] == [Document("d0", "text 0"), Document("d1", "Title text 1")]
    assert dataset.count_documents() == 12


def test_a_missing_title_an_integer_id_and_blank_lines_are_fine(beir: Path) -> None:
    lines = '\ufeff{"_id": 7, "text": " a\u2028b "}\r\n\n{"_id": "8", "title": null, "text": ""}'
    (beir / "corpus.jsonl").write_bytes(lines.encode())
    dataset = read_retrieval_dataset(beir)
    assert list(dataset.documents()) == [Document("7", "a\u2028b"), Document("8", "")]
    assert dataset.count_documents() == 2


@pytest.mark.parametrize("name", ["corpus.jsonl", "queries.jsonl", "qrels/test.tsv"])
def test_a_missing_file_is_named(beir: Path, name: str) -> None:
    (beir / name).unlink()
    with pytest.raises(RecordError, match=rf"{name} is not there: expected a BEIR folder"):
        read_retrieval_dataset(beir)


def test_a_judged_query_without_text_is_named(beir: Path) -> None:
    with (beir / "qrels" / "test.tsv").open("a") as file:
        file.write("lost\td1\t1\n")
    with pytest.raises(RecordError, match=r"test.tsv judges query 'lost', and 0 more, that .*queries.jsonl lacks"):
        read_retrieval_dataset(beir)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"not json\n", r"corpus.jsonl:1: not JSON"),
        (b'{"_id": "1", "text": "a"}\n[1]\n', r"corpus.jsonl:2: found a list"),
        (b'{"id": "1", "text": "a"}\n', r"corpus.jsonl:1: no field '_id'"),
        (b'{"_id": "1"}\n', r"corpus.jsonl:1: no field 'text'"),
        (b'{"_id": "1", "title": 3, "text": "a"}\n', r"corpus.jsonl:1: no field 'title' with a string"),
        (b'\n{"_id": "\xff"}\n', r"corpus.jsonl:2: not UTF-8 .* iconv"),
    ],
)
def test_a_bad_document_is_named_by_file_and_line(beir: Path, content: bytes, message: str) -> None:
    (beir / "corpus.jsonl").write_bytes(content)
    with pytest.raises(RecordError, match=message):
        list(read_retrieval_dataset(beir).documents())


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("q1\td1\t1\n", r"test.tsv:1: no header"),
        ("query-id\tcorpus-id\tscore\n", r"test.tsv has no judgements"),
        ("", r"test.tsv has no judgements"),
        ("query-id\tcorpus-id\tscore\nq1 d1 1\n", r"test.tsv:2: expected query id, document id and a whole number"),
        ("query-id\tcorpus-id\tscore\nq1\td1\t0.5\n", r"test.tsv:2: expected"),
        ("query-id\tcorpus-id\tscore\nq1\td1\t1\nq1\td1\t0\n", r"test.tsv:3: 'd1' was judged otherwise"),
    ],
)
def test_bad_judgements_are_named_by_file_and_line(beir: Path, content: str, message: str) -> None:
    (beir / "qrels" / "test.tsv").write_text(content)
    with pytest.raises(RecordError, match=message):
        read_retrieval_dataset(beir)


def test_lines_end_alike_for_reading_and_counting(beir: Path) -> None:
    content = '\ufeff\n\ufeff{"_id": "1", "text": "a"}\r\r{"_id": "2", "text": "b"}\r'
    for encoded in (content.replace("\n", "\r").encode(), content.replace("\r", "\n").encode("utf-16")):
        (beir / "corpus.jsonl").write_bytes(encoded)
        dataset = read_retrieval_dataset(beir)
        assert [document.id for document in dataset.documents()] == ["1", "2"]
        assert dataset.count_documents() == 2

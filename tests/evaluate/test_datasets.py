from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin import RecordError
from embed_plugin.evaluate import Document, evaluate_retrieval, read_retrieval_dataset
from embed_plugin.testing import FakeEncoder

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
def test_a_missing_part_is_named(beir: Path, name: str) -> None:
    (beir / name).unlink()
    part = name.partition(".")[0].partition("/")[0]
    with pytest.raises(RecordError, match=rf"beir has no {part}: expected a BEIR folder with .*{name}"):
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
        (b'{"ID": "1", "text": "a"}\n', r"corpus.jsonl:1: no field '_id'"),
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


def lines_of(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").rstrip("\n").split("\n")


def as_parquet(beir: Path, folder: Path, *, id_name: str, id_type: pa.DataType, score_type: pa.DataType) -> Path:
    """Write a BEIR folder in MTEB's layout, its corpus in two shards, ids and scores of these types."""
    strings = {each: [*map(json.loads, lines_of(beir / f"{each}.jsonl"))] for each in ("corpus", "queries")}
    rows = [line.split("\t") for line in lines_of(beir / "qrels" / "test.tsv")][1:]
    ids, half = pa.array([each["_id"] for each in strings["corpus"]]), len(strings["corpus"]) // 2
    documents = pa.table(
        {name: [each.get(name) for each in strings["corpus"]] for name in ("title", "text")}
        | {id_name: ids.cast(id_type)}
    )
    asked = pa.array([each["_id"] for each in strings["queries"]]).cast(id_type)
    columns = dict(zip(("query-id", "corpus-id", "score"), map(pa.array, zip(*rows, strict=True)), strict=True))
    types = {"query-id": id_type, "corpus-id": id_type, "score": score_type}
    tables = {
        "corpus/corpus-00001-of-00002.parquet": documents[half:],
        "corpus/corpus-00000-of-00002.parquet": documents[:half],
        "queries/queries-00000-of-00001.parquet": pa.table(
            {id_name: asked, "text": [each["text"] for each in strings["queries"]]}
        ),
        "data/test-00000-of-00001.parquet": pa.table({name: columns[name].cast(types[name]) for name in columns}),
    }
    for name, table in tables.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        parquet.write_table(table, folder / name)
    return folder


@pytest.mark.parametrize(
    ("id_name", "id_type", "score_type"),
    [("_id", pa.string(), pa.int64()), ("id", pa.large_string(), pa.float64()), ("id", pa.string(), pa.int32())],
)
def test_mtebs_parquet_is_read_as_the_beir_folder(
    beir: Path, tmp_path: Path, id_name: str, id_type: pa.DataType, score_type: pa.DataType
) -> None:
    folder = as_parquet(beir, tmp_path / "hub", id_name=id_name, id_type=id_type, score_type=score_type)
    expected, found = (read_retrieval_dataset(each) for each in (beir, folder))
    assert (found.queries, found.qrels, found.name) == (expected.queries, expected.qrels, "hub")
    assert list(found.documents()) == list(expected.documents())
    assert found.count_documents() == 12


def test_ids_may_be_whole_numbers(beir: Path, tmp_path: Path) -> None:
    for name in ("corpus.jsonl", "queries.jsonl", "qrels/test.tsv"):
        numbered = re.sub(r"\b[qd](\d+)\b", r"\1", (beir / name).read_text().replace("absent", "99"))
        (beir / name).write_text(numbered)
    folder = as_parquet(beir, tmp_path / "hub", id_name="id", id_type=pa.int64(), score_type=pa.int64())
    dataset = read_retrieval_dataset(folder)
    assert dataset.qrels == {"1": {"1": 1}, "2": {"2": 2, "3": 0}, "3": {"99": 1}}
    assert [document.id for document in dataset.documents()] == [str(n) for n in range(12)]


def test_judgements_are_also_read_from_json_lines_and_of_the_split_asked_for(beir: Path) -> None:
    (beir / "qrels" / "test.tsv").unlink()
    lines = '{"query-id": "q1", "corpus-id": "d1", "score": 1.0}\n{"query-id": "q1", "corpus-id": "d2", "score": 0}\n'
    (beir / "qrels" / "test.jsonl").write_text(lines)
    (beir / "qrels" / "train.jsonl").write_text('{"query-id": "q4", "corpus-id": "d4"}\n')
    dataset = read_retrieval_dataset(beir)
    assert (dataset.qrels, dataset.split) == ({"q1": {"d1": 1, "d2": 0}}, "test")
    dataset = read_retrieval_dataset(beir, split="train")
    assert (dataset.qrels, dataset.queries, dataset.split) == ({"q4": {"d4": 1}}, {"q4": "not judged"}, "train")


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        (
            {"query-id": ["q1"], "corpus-id": ["d1"], "score": [0.5]},
            r"test.parquet, row 1: the score is 0.5, expected a whole",
        ),
        ({"query-id": ["q1"], "corpus-id": ["d1"], "score": [None]}, r"test.parquet, row 1: the score is None"),
        (
            {"query-id": ["q1"], "corpus-id": ["d1"], "label": [1]},
            r"test.parquet: found the columns query-id, corpus-id, label",
        ),
        (
            {"query-id": ["q1"], "corpus-id": [0.5], "score": [1]},
            r"test.parquet, row 1: no field 'corpus-id' with a string",
        ),
        (
            {"query-id": ["q1"] * 2, "corpus-id": ["d1"] * 2, "score": [1, 0]},
            r"test.parquet, row 2: 'd1' was judged otherwise",
        ),
    ],
)
def test_bad_judgements_are_named_by_file_and_row(beir: Path, columns: dict[str, list[object]], message: str) -> None:
    (beir / "qrels" / "test.tsv").unlink()
    parquet.write_table(pa.table(columns), beir / "qrels" / "test.parquet")
    with pytest.raises(RecordError, match=message):
        read_retrieval_dataset(beir)


def test_a_part_of_scifact_has_the_same_figures_in_mtebs_layout(shared_data: Path, tmp_path: Path) -> None:
    part = tmp_path / "part"
    (part / "qrels").mkdir(parents=True)
    source = shared_data / "scifact"
    for name, count in (("corpus.jsonl", 1000), ("queries.jsonl", 2000), ("qrels/test.tsv", 60)):
        (part / name).write_text("\n".join(lines_of(source / name)[:count]), encoding="utf-8")
    folder = as_parquet(part, tmp_path / "hub", id_name="_id", id_type=pa.string(), score_type=pa.float64())
    expected, found = (evaluate_retrieval(FakeEncoder(), read_retrieval_dataset(each)) for each in (part, folder))
    assert found == expected
    assert found.documents == 1000
    assert found.means["recall@100"] > 0

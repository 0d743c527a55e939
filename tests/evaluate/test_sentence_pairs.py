from __future__ import annotations

import gzip
import json
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin import RecordError
from embed_plugin.evaluate import SentencePair, read_sentence_pairs

if TYPE_CHECKING:
    from pathlib import Path

EXPECTED = [SentencePair(1.5, 'a "b, c', "d"), SentencePair(2.0, "e", "f")]


@pytest.mark.parametrize(
    "content",
    [
        'g\tf\t2012\t1\t1.5\ta "b, c\td\ng\tf\t2012\t2\t2\te\tf\tmore\n',
        'score\tsentence1\tsentence2\n1.5\ta "b, c\td\r\n2\te\tf\r\n',
        'sentence2,id,score,sentence1\nd,7,1.5,"a ""b, c"\n\nf,8,2,e\n',
    ],
)
def test_the_three_layouts(tmp_path: Path, content: str) -> None:
    (tmp_path / "pairs").write_bytes(content.encode())
    assert read_sentence_pairs(tmp_path / "pairs") == EXPECTED


ROWS = [{"sentence1": 'a "b, c', "sentence2": "d", "score": 1.5}, {"sentence1": "e", "sentence2": "f", "score": 2.0}]


@pytest.mark.parametrize("kind", [pa.float64(), pa.float32(), pa.string()])
def test_parquet_of_numbers_and_of_strings(tmp_path: Path, kind: pa.DataType) -> None:
    table = pa.table({name: [row[name] for row in ROWS] for name in ROWS[0]} | {"genre": ["g", "g"]})
    table = table.set_column(2, "score", table["score"].cast(kind))
    parquet.write_table(table, tmp_path / "test.parquet")
    assert read_sentence_pairs(tmp_path / "test.parquet") == EXPECTED


def test_json_lines_packed_and_in_a_folder(tmp_path: Path) -> None:
    lines = "".join(json.dumps(row) + "\n" for row in ROWS).encode()
    (tmp_path / "train.jsonl").write_bytes(lines * 2)
    (tmp_path / "test.jsonl.gz").write_bytes(gzip.compress(lines))
    assert read_sentence_pairs(tmp_path) == read_sentence_pairs(tmp_path / "test.jsonl.gz") == EXPECTED
    assert read_sentence_pairs(tmp_path, split="train") == EXPECTED * 2


def test_shards_of_a_split_are_read_in_order(tmp_path: Path) -> None:
    for number, row in enumerate(ROWS):
        table = pa.table({name: [value] for name, value in row.items()})
        parquet.write_table(table, tmp_path / f"test-0000{number}-of-00002.parquet")
    assert read_sentence_pairs(tmp_path) == EXPECTED


def test_a_damaged_packed_file_and_a_table_of_something_else_are_named(tmp_path: Path) -> None:
    parquet.write_table(pa.table({"text": ["a"], "label": [1]}), tmp_path / "a.parquet")
    with pytest.raises(
        RecordError, match=r"a.parquet: found the columns text, label; expected score, sentence1, sentence2"
    ):
        read_sentence_pairs(tmp_path / "a.parquet")
    packed = gzip.compress(json.dumps(ROWS[0]).encode() + b"\n")
    for content in (b"no gzip", packed[:-9], packed[:10] + b"damaged"):
        (tmp_path / "a.jsonl.gz").write_bytes(content)
        with pytest.raises(RecordError, match=r"a.jsonl.gz cannot be unpacked \(.*\): download it again"):
            read_sentence_pairs(tmp_path / "a.jsonl.gz")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("score,sentence1,sentence2\n1,a,b\nx,c,d\n", r"pairs:3: the score is 'x'"),
        ("score,sentence1,sentence2\nnan,c,d\n", r"pairs:2: the score is 'nan'"),
        ("score,sentence1,sentence2\n1,c\n", r"pairs:2: found 2 columns, expected 3"),
        ("a\tb\n", r"pairs:1: found 2 columns, expected 7: .* a header that names score, sentence1, sentence2"),
        ('score,sentence1,sentence2\n1,a,"b"c\n', r"pairs:2: not a row of a table"),
        ("score,sentence1,sentence2\n1,a,b\n1,c,d\n", r"pairs: all 2 scores are equal"),
        ("", r"pairs is empty: expected"),
    ],
)
def test_a_bad_row_is_named_by_file_and_line(tmp_path: Path, content: str, message: str) -> None:
    (tmp_path / "pairs").write_text(content)
    with pytest.raises(RecordError, match=message):
        read_sentence_pairs(tmp_path / "pairs")


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"nowhere.csv cannot be read"):
        read_sentence_pairs(tmp_path / "nowhere.csv")


def test_a_folder_without_pairs_is_named(tmp_path: Path) -> None:
    (tmp_path / "sts-test.csv").write_text("score,sentence1,sentence2\n1,a,b\n")
    with pytest.raises(RecordError, match=r"has no .parquet, .jsonl or .jsonl.gz of sentence pairs: give a folder"):
        read_sentence_pairs(tmp_path)


def test_the_sts_benchmark_is_read_whole(shared_data: Path) -> None:
    pairs = read_sentence_pairs(shared_data / "stsb" / "sts-test.csv")
    assert len(pairs) == 1379
    assert pairs[0] == SentencePair(2.5, "A girl is styling her hair.", "A girl is brushing her hair.")

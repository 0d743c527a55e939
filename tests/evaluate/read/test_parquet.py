from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin import MissingExtraError, RecordError
from embed_plugin.evaluate.read.columns import Columns
from embed_plugin.evaluate.read.parquet import ROWS_AT_ONCE
from embed_plugin.evaluate.read.rows import count_rows, read_rows
from embed_plugin.extras import PACKAGES_OF_EXTRA

if TYPE_CHECKING:
    from pathlib import Path

COLUMNS = Columns((("_id", "id"), ("text",)), optional=("title",))


def write(path: Path, columns: dict[str, Any], *, rows_in_a_group: int = 100) -> Path:
    parquet.write_table(pa.table(columns), path, row_group_size=rows_in_a_group)
    return path


def test_rows_are_in_order_over_row_groups_and_batches(tmp_path: Path) -> None:
    count = 3 * ROWS_AT_ONCE + 1
    path = write(tmp_path / "a.parquet", {"id": range(count), "more": [0.5] * count, "text": ["t"] * count})
    rows = list(read_rows(path, COLUMNS))
    assert [row.values for row in rows] == [{"id": n, "text": "t"} for n in range(count)]
    assert (rows[0].place, rows[-1].place) == (f"{path}, row 1", f"{path}, row {count}")
    assert count_rows(path) == count


def test_a_fraction_of_a_file_is_held_while_it_is_read(tmp_path: Path) -> None:
    text, path = pa.array(["x" * 2**16] * 500), tmp_path / "a.parquet"
    columns = pa.table({"_id": range(500), "text": text})
    parquet.write_table(columns, path, use_dictionary=False, compression="none", write_batch_size=8, row_group_size=250)
    tracemalloc.start()
    try:
        assert sum(1 for _ in read_rows(path, COLUMNS)) == 500
        assert tracemalloc.get_traced_memory()[1] < path.stat().st_size / 2
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"id": ["1"], "body": ["x"]}, r"a.parquet: found the columns id, body; expected _id or id, text, title"),
        ({"text": ["x"]}, r"a.parquet: found the columns text; expected _id or id, text, title: rename them"),
    ],
)
def test_a_missing_column_is_named_with_those_that_are_there(
    tmp_path: Path, columns: dict[str, list[str]], message: str
) -> None:
    with pytest.raises(RecordError, match=message):
        list(read_rows(write(tmp_path / "a.parquet", columns), COLUMNS))


@pytest.mark.parametrize("content", [b"version https://git-lfs.github.com/spec/v1\n", b"PAR1 and no more", b""])
def test_what_is_no_parquet_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "a.parquet").write_bytes(content)
    for read in (lambda path: list(read_rows(path, COLUMNS)), count_rows):
        with pytest.raises(RecordError, match=r"a.parquet cannot be read as Parquet .* without Git LFS has pointers"):
            read(tmp_path / "a.parquet")


def test_damage_in_the_middle_is_named(tmp_path: Path) -> None:
    path = write(tmp_path / "a.parquet", {"_id": ["1"] * 500, "text": [f"text {n}" for n in range(500)]})
    content = bytearray(path.read_bytes())
    content[200 : len(content) // 2] = bytes(len(content) // 2 - 200)
    path.write_bytes(content)
    with pytest.raises(RecordError, match=r"a.parquet cannot be read as Parquet \("):
        list(read_rows(path, COLUMNS))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(RecordError, match=r"nowhere.parquet cannot be read .*: check the path"):
        list(read_rows(tmp_path / "nowhere.parquet", COLUMNS))


def test_without_pyarrow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "parquet", ("a_package_that_is_not_there",))
    with pytest.raises(MissingExtraError, match=r"pip install 'embed-plugin\[parquet\]'"):
        read_rows(tmp_path / "a.parquet", COLUMNS)

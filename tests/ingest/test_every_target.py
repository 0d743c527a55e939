"""What people have in a folder comes to the same on every kind of target."""

from __future__ import annotations

import codecs
import json
import os
from typing import TYPE_CHECKING

import pyarrow as pa
import pytest
from pyarrow import parquet

from embed_plugin.ingest import (
    IngestSettings,
    IngestSummary,
    Observer,
    QdrantSink,
    ReaderSettings,
    RecordReader,
    Rejected,
    ingest,
    verify,
)
from embed_plugin.testing import FakeEncoder
from ingest.stores.qdrant.test_sink import open_with, sink  # noqa: F401 - fixtures

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

ENCODER = FakeEncoder()
SURROGATE = "caf\udce9.txt"


def nested(levels: int) -> object:
    """Lists in an object, so many levels together."""
    value: object = "leaf"
    for _ in range(levels - 1):
        value = [value]
    return {"deep": value}


def lines() -> list[str]:
    objects = [
        {"text": "levels that may be", **nested(64)},  # type: ignore[dict-item]
        {"text": "one level more", **nested(65)},  # type: ignore[dict-item]
        {"text": "numbers", "n": 2**63, "list": [-(2**63) - 1, 2**63 - 1], "small": 1.5},
        {"text": "", "n": 1},
        {"text": "a line separator \u2028 and a key \u0085", "caf\u00e9 \U0001f600": "\u202e\u05d0"},
    ]
    return [*map(json.dumps, objects), '{"text": "lone \\ud800"}', "", "not JSON", '{"text": "nothing", "n": NaN}']


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Thirteen records that are stored, two empty ones, and six that are rejected."""
    root = tmp_path / "people"
    (root / "sub").mkdir(parents=True)
    (root / "rows.jsonl").write_bytes(codecs.BOM_UTF8 + b"\n" + "\r\n".join(lines()).encode())
    (root / "cells.tsv").write_text('text\ta\t\t\nsays "so\t1\t\t\nplain\t2\t\t\n')
    times = pa.array([1, 2**62], pa.timestamp("ns"))
    dates = pa.array([20_000, 10_000_000], pa.date32())
    parquet.write_table(pa.table({"text": ["ns", "past 9999"], "t": times, "d": dates}), root / "times.parquet")
    (root / "page.html").write_bytes(
        "<meta charset=iso-8859-1><p>\u201cquoted\u201d in<b>side</b>word<p hidden>not seen".encode("cp1252")
    )
    (root / "sub" / "README.md").write_text("# Read me\n\n" + "one two three four\n" * 60)
    (root / "README.md").write_text("# Read me")
    (root / "blank.txt").write_text(" \n\n\t")
    (root / "old.txt").write_bytes(b"caf\xe9")
    (root / "a\x1b[31mred.txt").write_text("named in red")
    (root / "\u8868.txt").write_bytes("\u8868 \U0001f600".encode("utf-16"))
    (root / SURROGATE).write_text("named in bytes")
    (root / "report.doc").write_bytes(b"\xd0\xcf\x11\xe0")
    return root


def run(root: Path, into: QdrantSink, *, mirror: bool = False) -> tuple[IngestSummary, list[Rejected]]:
    rejected: list[Rejected] = []

    def reject(some: Sequence[Rejected]) -> None:
        rejected.extend(some)

    settings = IngestSettings(mirror=mirror, max_delete=1)
    reader = RecordReader([root], settings=ReaderSettings())
    return ingest(reader, ENCODER, into, settings=settings, observer=Observer(on_rejected=reject)), rejected


def test_everything_comes_to_the_same(folder: Path, sink: QdrantSink) -> None:  # noqa: F811 - a fixture
    first, rejected = run(folder, sink)
    assert (first.sources["new"], first.empty, first.rejected_records, first.rejected_chunks) == (11, 2, 7, 0)
    assert (first.records, len(rejected), first.numbers_as_text) == (20, 7, 2)
    texts = {chunk.source_id: chunk.text for page in sink.scan() for chunk in page}
    assert texts["page.html"] == "\u201cquoted\u201d insideword"
    assert (texts["cells.tsv#2"], texts["\u8868.txt"]) == ('says "so', "\u8868 \U0001f600")
    again, _ = run(folder, sink)
    assert (again.sources, again.chunks) == ({"unchanged": 11, "empty": 2}, again.unchanged)
    assert verify(ENCODER, sink).is_sound


def test_what_changes_is_followed(folder: Path, sink: QdrantSink) -> None:  # noqa: F811 - a fixture
    run(folder, sink)
    for name in ("old.txt", os.fsdecode(SURROGATE.encode("utf-8", "surrogateescape"))):
        (folder / name).unlink()  # rejections without an id: mirror would remove nothing
    kept = [line for line in lines()[:3] if "more" not in line]
    (folder / "rows.jsonl").write_text("\n".join(kept))
    (folder / "times.parquet").unlink()
    (folder / "sub" / "README.md").replace(folder / "sub" / "moved.md")
    done, rejected = run(folder, sink, mirror=True)
    assert (rejected, done.mirror_refused) == ([], None)
    assert done.sources["removed"] == 4
    ids = {chunk.source_id for page in sink.scan() for chunk in page}
    assert {"sub/moved.md", "rows.jsonl#1", "rows.jsonl#2"} <= ids
    assert not {"sub/README.md", "times.parquet#1", "rows.jsonl#5"} & ids
    assert verify(ENCODER, sink).is_sound

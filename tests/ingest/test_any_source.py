"""Any folder: what is read is stored, rejected or empty, a second run changes nothing, and the collection is sound."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import NamedTuple

from hypothesis import given, settings
from hypothesis import strategies as st

from embed_plugin.ingest import (
    IngestSettings,
    IngestSummary,
    Observer,
    QdrantSink,
    ReaderSettings,
    RecordReader,
    ingest,
    open_sink,
    verify,
)
from embed_plugin.testing import FakeEncoder
from ingest.window.test_store import CutOff, CutOffError

ENCODER = FakeEncoder(max_tokens=12)
MIRROR = IngestSettings(mirror=True, max_delete=1, window_records=3)


class Edit(NamedTuple):
    """``write`` a file, ``rename`` it or ``delete`` it."""

    kind: str
    name: str
    content: bytes = b""
    new_name: str = ""


TEXTS = st.text(st.characters(codec="utf-8"), max_size=60) | st.sampled_from(["", "one two three " * 20, "# A\n\nb\n"])
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
DEEP = st.integers(60, 70).map(lambda depth: "[" * depth + "]" * depth)
OBJECTS = st.dictionaries(st.sampled_from(["text", "id", "n", "caf\u00e9"]), VALUES, max_size=4)
LINES = OBJECTS.map(json.dumps) | DEEP.map(lambda deep: f'{{"text": "t", "deep": {deep}}}') | TEXTS
ROWS = st.lists(st.sampled_from(["text", "a", "", '"', '"b,c"', "d\te", "\u00e9"]), max_size=3)
ENCODINGS = st.sampled_from(["utf-8", "utf-8-sig", "utf-16", "cp1252", "shift_jis"])
BREAKS = st.sampled_from(["\n", "\r\n", "\r", "\n\n"])

STEMS = st.sampled_from(["a", "b c", "caf\u00e9", "cafe\u0301", "\u8868", "d\x1b[31m", "-e", "sub/a", "sub/deep/b"])
SUFFIXES = st.sampled_from([".txt", ".md", ".py", ".html", ".jsonl", ".csv", ".tsv", ".pdf", ""])
NAMES = st.builds(lambda stem, suffix: stem + suffix, STEMS, SUFFIXES)


@st.composite
def contents(draw: st.DrawFn, name: str) -> bytes:
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    lines = draw(st.lists(LINES, max_size=5) if name.endswith(".jsonl") else st.lists(TEXTS, max_size=5))
    if name.endswith((".csv", ".tsv")):
        lines = ["text,a" if name.endswith("csv") else "text\ta", *(",".join(row) for row in draw(st.lists(ROWS)))]
    return draw(BREAKS).join(lines).encode(draw(ENCODINGS), "replace")


@st.composite
def edits(draw: st.DrawFn) -> Edit:
    name = draw(NAMES)
    kind = draw(st.sampled_from(["write", "write", "write", "rename", "delete"]))
    return Edit(kind, name, draw(contents(name)) if kind == "write" else b"", draw(NAMES) if kind == "rename" else "")


def apply(edit: Edit, root: Path) -> None:
    path, target = root / edit.name, root / (edit.new_name or edit.name)
    target.parent.mkdir(parents=True, exist_ok=True)
    if edit.kind == "write":
        path.write_bytes(edit.content)
    elif edit.kind == "delete":
        path.unlink(missing_ok=True)
    elif path.exists():
        path.replace(target)


def run(root: Path, sink: QdrantSink) -> IngestSummary:
    reader = RecordReader([root], settings=ReaderSettings(max_record_bytes=2_000))
    return ingest(reader, ENCODER, sink, settings=MIRROR, observer=Observer(on_rejected=lambda _: None))


def stored_records(summary: IngestSummary) -> int:
    return sum(summary.sources.get(status, 0) for status in ("new", "changed", "metadata_only", "unchanged"))


@settings(max_examples=60)
@given(steps=st.lists(st.tuples(st.lists(edits(), min_size=1, max_size=6), st.integers(0, 12)), min_size=1, max_size=4))
def test_whatever_a_folder_holds_is_accounted_for_and_stored_once(steps: list[tuple[list[Edit], int]]) -> None:
    with TemporaryDirectory() as folder, open_sink(":memory:", "notes") as opened:
        root = Path(folder) / "source"
        root.mkdir()
        for some, written in steps:
            for edit in some:
                apply(edit, root)
            cut_off = CutOff(opened._backend, "notes")
            cut_off.points_left = written
            with suppress(CutOffError):
                run(root, cut_off)
            done = run(root, opened)
            assert done.records == stored_records(done) + done.rejected_records + done.empty
            again = run(root, opened)
            assert again.chunks == again.unchanged
            assert (again.embedded, again.removed, again.metadata_only) == (0, 0, 0)
            assert not opened.check(ENCODER) or verify(ENCODER, opened).is_sound

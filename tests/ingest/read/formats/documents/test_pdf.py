from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected
from support.documents import pdf, scan

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, content: bytes, settings: ReaderSettings | None = None) -> list[Record | Rejected]:
    (folder / "a.pdf").write_bytes(content)
    return list(RecordReader([folder], settings=settings))


def test_each_page_is_a_record_with_its_number(tmp_path: Path) -> None:
    facts = {"title": "The report", "author": "A. Cat"}
    assert read(tmp_path, pdf("The cat sat\non the mat", "The dog ran")) == [
        Record("a.pdf#page=1", "The cat sat\non the mat", {**facts, "page": 1}),
        Record("a.pdf#page=2", "The dog ran", {**facts, "page": 2}),
    ]


def test_the_bookmark_over_a_page_is_its_section(tmp_path: Path) -> None:
    bookmarks = [(1, "One", 0), (2, "Two", 0), (2, "Two A", 1), (3, "Two B", 1)]
    found = read(tmp_path, pdf(*"abcd", bookmarks=bookmarks))
    sections = [item.metadata["section"] for item in found if isinstance(item, Record)]
    assert sections == ["One", "Two", "Two > Two B", "Two > Two B"]


def test_a_page_without_text_is_an_empty_record(tmp_path: Path) -> None:
    first, second = read(tmp_path, pdf("", "The cat"))
    assert isinstance(first, Record)
    assert first.is_empty
    assert isinstance(second, Record)
    assert second.metadata["page"] == 2


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (scan(), "no text on any of its 2 pages, as of a scan. Recognise its text with an OCR program first"),
        (pdf("secret", password="cat"), "it is encrypted with a password. Save it without one"),  # noqa: S106 - of the test
        (pdf("cut")[:300], "cannot be read as pdf"),
        (b"The cat sat", "cannot be read as pdf"),
    ],
    ids=["scan", "encrypted", "cut", "text"],
)
def test_what_has_no_text_to_read_is_rejected_with_the_reason(tmp_path: Path, content: bytes, reason: str) -> None:
    (rejected,) = read(tmp_path, content)
    assert isinstance(rejected, Rejected)
    assert f"a.pdf: {reason}" in rejected.reason
    assert rejected.source_id is None  # its pages are not known: mirror removes nothing


def test_a_page_longer_than_a_record_may_be_is_rejected(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path, pdf("The cat sat"), ReaderSettings(max_record_bytes=5))
    assert isinstance(rejected, Rejected)
    assert "a.pdf (page=1): its text is longer than 5 bytes" in rejected.reason

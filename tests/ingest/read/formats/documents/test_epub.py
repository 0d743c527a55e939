from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

from embed_plugin.ingest import Record, RecordReader, Rejected
from support.documents import book

if TYPE_CHECKING:
    from pathlib import Path


def read(folder: Path, content: bytes) -> list[Record | Rejected]:
    (folder / "a.epub").write_bytes(content)
    return list(RecordReader([folder]))


def test_each_chapter_is_a_record_in_reading_order(tmp_path: Path) -> None:
    facts = {"title": "The book", "author": "A. Cat"}
    found = read(tmp_path, book("<h1>One</h1><p>The <b>c</b>at</p>", "<p>The dog</p><script>x</script>"))
    assert found == [
        Record(
            "a.epub#OEBPS/text/c1.xhtml", "# One\n\nThe cat", {**facts, "chapter": "One", "part": 1}, syntax="markdown"
        ),
        Record("a.epub#OEBPS/text/c2.xhtml", "The dog", {**facts, "part": 2}, syntax="markdown"),
    ]


def test_an_encrypted_book_is_rejected(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path, book("<p>x</p>", encrypted=True))
    assert isinstance(rejected, Rejected)
    assert "its text is encrypted (OEBPS/text/c1.xhtml)" in rejected.reason


def test_a_zip_archive_that_is_no_book_is_rejected(tmp_path: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("a.txt", "the cat")
    (rejected,) = read(tmp_path, out.getvalue())
    assert isinstance(rejected, Rejected)
    assert "found a zip archive without META-INF/container.xml, expected an EPUB" in rejected.reason


def test_no_file_outside_the_book_is_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    entity = f'<!DOCTYPE x [<!ENTITY e SYSTEM "file://{tmp_path}/secret">]>'
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(book("<p>x</p>"))) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            content = old.read(name).decode()
            new.writestr(name, entity + content.replace("The book", "&e;") if name.endswith(".opf") else content)
    (record,) = read(tmp_path, out.getvalue())
    assert isinstance(record, Record)
    assert "title" not in record.metadata


def test_a_book_without_chapters_is_rejected(tmp_path: Path) -> None:
    (rejected,) = read(tmp_path, book())
    assert isinstance(rejected, Rejected)
    assert "a.epub: no chapter in it" in rejected.reason

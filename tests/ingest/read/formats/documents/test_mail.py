from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.ingest import Record, RecordReader, Rejected
from support.documents import PIXEL, mail, pdf, word

if TYPE_CHECKING:
    from pathlib import Path

HEADERS = {
    "subject": "Käse for the cat",
    "from": "Ann <ann@example.com>",
    "to": "bob@example.com",
    "message_id": "<1@example.com>",
    "date": "2026-11-28T10:00:00+01:00",
}


def read(folder: Path, content: bytes) -> list[Record | Rejected]:
    (folder / "a.eml").write_bytes(content)
    return list(RecordReader([folder]))


def test_headers_are_metadata_and_the_body_is_text(tmp_path: Path) -> None:
    text = "# Käse for the cat\n\nDear Bob,\nthe cat is hungry."
    assert read(tmp_path, mail()) == [Record("a.eml", text, HEADERS, syntax="markdown")]


def test_of_mail_in_html_the_page_is_read(tmp_path: Path) -> None:
    (record,) = read(tmp_path, mail(html="<style>x</style><h2>Hello</h2><p>the c<b>at</b></p>"))
    assert isinstance(record, Record)
    assert record.text == "# Käse for the cat\n\n## Hello\n\nthe cat"


def test_attachments_are_records_of_their_formats(tmp_path: Path) -> None:
    message, page, text = read(tmp_path, mail(("r.pdf", pdf("page one")), ("p.png", PIXEL), ("n.txt", b"note")))
    assert isinstance(message, Record)
    assert message.metadata["attachments"] == ["r.pdf", "p.png", "n.txt"]
    assert isinstance(page, Record)
    assert (page.source_id, page.text, page.metadata["page"]) == ("a.eml#r.pdf#page=1", "page one", 1)
    assert (page.metadata["attachment"], page.metadata["subject"]) == ("r.pdf", HEADERS["subject"])
    assert isinstance(text, Record)
    assert (text.source_id, text.text) == ("a.eml#n.txt", "note")


def test_attachments_of_one_name_have_ids_of_their_own(tmp_path: Path) -> None:
    found = read(tmp_path, mail(("n.txt", b"one"), ("n.txt", b"two")))
    assert [item.source_id for item in found] == ["a.eml", "a.eml#n.txt", "a.eml#n-2.txt"]


def test_mail_in_mail_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, mail(("inner.eml", mail(("deep.docx", word())))))
    assert [item.source_id for item in found] == ["a.eml", "a.eml#inner.eml", "a.eml#inner.eml#deep.docx"]


def test_a_damaged_attachment_is_rejected_and_the_mail_is_read(tmp_path: Path) -> None:
    message, rejected, text = read(tmp_path, mail(("r.docx", b"no zip"), ("n.txt", b"note")))
    assert isinstance(message, Record)
    assert isinstance(rejected, Rejected)
    assert "a.eml/r.docx: cannot be read as docx" in rejected.reason
    assert rejected.record == {"path": str(tmp_path / "a.eml"), "name": "a.eml"}  # a retry reads the mail
    assert isinstance(text, Record)

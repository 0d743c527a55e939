from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import ReaderSettings, RecordReader, Rejected
from embed_plugin.ingest.read.binary import binary_kind

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("head", "kind"),
    [
        (b"%PDF-1.7\n", "PDF"),
        (b"\xef\xbb\xbf \n%PDF-1.4", "PDF"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        (rb"{\rtf1\ansi", "RTF"),
        (b"\x1f\x8b\x08", "compressed by gzip"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "a document of old Office"),
    ],
)
def test_what_is_no_text_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert str(binary_kind(head)).startswith(kind)


@pytest.mark.parametrize("head", [b"", b"PK is short for primary key", b"a %PDF-1.4 file", b"MZ", b"\xff\xfea\x00"])
def test_text_is_not_taken_for_another_format(head: bytes) -> None:
    assert binary_kind(head) is None


@pytest.mark.parametrize("name", ["a.pdf", "a.txt", "a.html", "a.csv", "a.jsonl", "LICENSE"])
@pytest.mark.parametrize("chosen", ["auto", "text"])
def test_a_pdf_is_rejected_whatever_it_is_called(tmp_path: Path, name: str, chosen: str) -> None:
    (tmp_path / name).write_text("%PDF-1.4\nthe cat\n")
    (rejected,) = RecordReader([tmp_path / name], settings=ReaderSettings(format=chosen))
    assert isinstance(rejected, Rejected)
    assert f"{name}: found PDF, expected " in rejected.reason
    assert (rejected.source_id == name) == (chosen == "text" or name in {"a.pdf", "a.txt", "a.html", "LICENSE"})


@pytest.mark.parametrize("name", ["a.ipynb", "a.EML", "a.mbox"])
def test_notebooks_and_mail_are_read_as_they_stand_only_if_that_is_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("From: a@example.com\n\nthe cat")
    for path, settings in ((tmp_path / name, ReaderSettings()), (tmp_path, ReaderSettings(include=("*",)))):
        (rejected,) = RecordReader([path], settings=settings)
        assert isinstance(rejected, Rejected)
        assert "are not read yet. Convert it, or read it as it stands with --format text" in rejected.reason
    (record,) = RecordReader([tmp_path / name], settings=ReaderSettings(format="text"))
    assert not isinstance(record, Rejected)

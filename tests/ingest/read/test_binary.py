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
        (b"\x00\x00\x00\x18ftypmp42", "MP4 video or sound"),
        (b"RIFF\x00\x01\x00\x00WEBPVP8 ", "a WebP image"),
        (b"a.txt" + bytes(252) + b"ustar", "a tar archive"),
        (b"\x00\x00\x01\x00\x01\x00", "an icon"),
    ],
)
def test_what_is_no_text_is_known_by_its_first_bytes(head: bytes, kind: str) -> None:
    assert str(binary_kind(head)).startswith(kind)


@pytest.mark.parametrize(
    "head",
    [
        b"",
        b"PK is short for primary key",
        b"a %PDF-1.4 file",
        b"MZ",
        b"\xff\xfea\x00",
        b"at 4ftyp",
        b"8 bytes WEBP",
        b"a" * 257 + b"ustar",
    ],
)
def test_text_is_not_taken_for_another_format(head: bytes) -> None:
    assert binary_kind(head) is None


@pytest.mark.parametrize("name", ["a.txt", "a.html", "a.csv", "a.jsonl", "LICENSE"])
@pytest.mark.parametrize("chosen", ["auto", "text"])
def test_a_pdf_is_rejected_whatever_it_is_called(tmp_path: Path, name: str, chosen: str) -> None:
    (tmp_path / name).write_text("%PDF-1.4\nthe cat\n")
    (rejected,) = RecordReader([tmp_path / name], settings=ReaderSettings(format=chosen))
    assert isinstance(rejected, Rejected)
    assert f"{name}: found PDF, expected " in rejected.reason
    assert (rejected.source_id == name) == (chosen == "text" or name in {"a.txt", "a.html", "LICENSE"})


@pytest.mark.parametrize("name", ["a.mht", "a.MBOX"])
def test_mailboxes_and_saved_pages_are_read_as_they_stand_only_if_that_is_asked_for(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("From: a@example.com\n\nthe cat")
    for path, settings in ((tmp_path / name, ReaderSettings()), (tmp_path, ReaderSettings(include=("*",)))):
        (rejected,) = RecordReader([path], settings=settings)
        assert isinstance(rejected, Rejected)
        assert "are not read yet. Convert it, or read it as it stands with --format text" in rejected.reason
    (record,) = RecordReader([tmp_path / name], settings=ReaderSettings(format="text"))
    assert not isinstance(record, Rejected)


def test_an_image_called_txt_is_rejected_and_a_text_in_utf_16_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR")
    (tmp_path / "b.txt").write_bytes("the cat".encode("utf-16"))
    image, text = RecordReader([tmp_path])
    assert isinstance(image, Rejected)
    assert "a.txt: found a PNG image, expected text" in image.reason
    assert not isinstance(text, Rejected)
    assert text.text == "the cat"

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected
from embed_plugin.ingest.read.charsets import decode_bytes
from embed_plugin.ingest.read.decoding import (
    Encoding,
    as_bytes,
    as_string,
    guess_encoding,
    keep,
    read_lines,
    take_again,
)

if TYPE_CHECKING:
    from pathlib import Path

FRENCH = "Les élèves ont déjà mangé à l'école, où ça ?"
RUSSIAN = "Программы печатают разные сообщения, чтобы люди поняли, что случилось"


def read(file: Path, encoding: str | None = None) -> Record | Rejected:
    (item,) = RecordReader([file], settings=ReaderSettings(encoding=encoding))
    return item


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.csv", "a.html"])
def test_unicode_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str, name: str) -> None:
    content = {"a.txt": "caf\u00e9", "a.jsonl": '{"text": "caf\u00e9"}\r\n', "a.csv": "text\r\ncaf\u00e9\r\n"}
    (tmp_path / name).write_bytes(content.get(name, "<p>caf\u00e9</p>").encode(encoding))
    record = read(tmp_path / name, encoding="cp1252" if encoding.endswith(("sig", "16", "32")) else None)
    assert isinstance(record, Record)
    assert record.text == "caf\u00e9"


def test_a_byte_order_mark_and_windows_line_ends_are_no_part_of_the_text(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(codecs.BOM_UTF8 + b"one\r\ntwo")
    assert read(tmp_path / "a.txt") == Record("a.txt", "one\ntwo")


@pytest.mark.parametrize(
    ("text", "encoding"), [(FRENCH, "cp1252"), (RUSSIAN, "cp1251"), ("これは日本語の文章です。", "cp932")]
)
def test_another_encoding_is_refused_with_a_guess_that_works_when_it_is_given(
    tmp_path: Path, text: str, encoding: str
) -> None:
    file = tmp_path / "a.txt"
    file.write_bytes(f"\n\n{text}".encode(encoding))
    rejected = read(file)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith(f"{file}:3: not UTF-8 (byte 0x")
    assert rejected.reason.endswith(f"if it is, give --encoding {encoding}")
    assert rejected.source_id == "a.txt"
    assert read(file, encoding) == Record("a.txt", f"\n\n{text}")


def test_bytes_that_are_no_text_are_refused_without_a_guess(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(range(256)))
    rejected = read(tmp_path / "a.txt")
    assert isinstance(rejected, Rejected)
    assert "a.txt: found a PNG image, expected text" in rejected.reason
    (tmp_path / "a.txt").write_bytes(b"\x89" + bytes(range(256)))
    rejected = read(tmp_path / "a.txt")
    assert isinstance(rejected, Rejected)
    assert "a.txt:1: not UTF-8 (byte 0x89)" in rejected.reason


def test_utf_16_without_a_mark_is_noticed_and_read_when_it_is_said(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes('{"text": "one\\ntwo"}\n'.encode("utf-16-le"))
    (tmp_path / "a.txt").write_bytes("one\ntwo".encode("utf-16-le"))
    rejected = read(tmp_path / "a.txt")
    assert isinstance(rejected, Rejected)
    assert "found a NUL character" in rejected.reason
    for name in ("a.txt", "a.jsonl"):
        record = read(tmp_path / name, "utf-16-le")
        assert isinstance(record, Record)
        assert record.text == "one\ntwo"


def test_a_lone_surrogate_in_utf_16_spoils_its_own_line_only(tmp_path: Path) -> None:
    lines = '{"text": "one"}\n{"text": "\ud800"}\n{"text": "three"}\n'
    (tmp_path / "a.jsonl").write_bytes(codecs.BOM_UTF16_LE + lines.encode("utf-16-le", "surrogatepass"))
    one, two, three = RecordReader([tmp_path])
    assert isinstance(two, Rejected)
    assert "a.jsonl:2: not UTF-8" in two.reason
    assert [one.source_id, three.source_id] == ["a.jsonl#1", "a.jsonl#3"]


def test_utf_16_that_ends_inside_a_character_is_rejected_after_what_came_before(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes('{"text": "one"}\n'.encode("utf-16") + b"{")
    items = list(RecordReader([tmp_path]))
    assert isinstance(items[-1], Rejected)
    assert "a.jsonl: not utf-16" in items[-1].reason


def test_an_encoding_that_is_none_is_refused_at_once() -> None:
    for name in ("klingon", "hex"):
        with pytest.raises(InvalidInputError, match="no text encoding"):
            ReaderSettings(encoding=name)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "shift_jis"])
def test_a_line_that_is_too_long_is_passed_over_in_bounded_memory(encoding: str) -> None:
    stream = io.BytesIO(f"short\n{'long ' * 100}\nshort\n{'long ' * 100}".encode(encoding))
    _, lines = read_lines(stream, chosen=encoding, limit=64)
    assert list(lines) == [(1, b"short\n"), (2, None), (3, b"short\n"), (4, None)]


def test_western_text_is_taken_for_the_most_common_code_page() -> None:
    assert guess_encoding("Größe: 5 €, naïve Grüße".encode("cp1252")) == "cp1252"
    for words in ("résumé", "Ação não é só coração", "it’s “smart” – quotes …", '{"text": "é"}'):
        assert guess_encoding(words.encode("cp1252")) == "cp1252"
    assert guess_encoding("Zażółć gęślą jaźń, zbrukał sześć ślepych źrebiąt".encode("cp1250")) == "cp1250"


@given(st.binary(), st.sampled_from(["utf-8", "cp1252", "shift_jis", "utf-16"]))
def test_what_was_kept_of_bytes_is_what_they_were(content: bytes, encoding: str) -> None:
    assert as_bytes(as_string(content)) == content
    of_lines = Encoding("utf-8" if encoding == "utf-16" else encoding)
    again, found = take_again(keep(content, of_lines), chosen=encoding)
    try:
        text = decode_bytes(content, of_lines.codec)
    except UnicodeDecodeError:
        assert again == content
    else:
        assert decode_bytes(again, found.codec) == text


@pytest.mark.parametrize("name", ["a.jsonl", "a.csv"])
def test_the_encoding_of_a_file_is_guessed_once_and_the_guess_works(tmp_path: Path, name: str) -> None:
    words = ["café", "ascii", "naïve", "Größe", "señor", "Œuvre", "façade", "“so”", "100 €", "über", "crème brûlée"]
    lines = ["text"] * (name == "a.csv") + [f'{{"text": "{word}"}}' if "j" in name else word for word in words]
    (tmp_path / name).write_bytes("\n".join(lines * 20).encode("cp1252"))
    rejected = [item for item in RecordReader([tmp_path]) if isinstance(item, Rejected)]
    assert len(rejected) == 200
    advice = {item.reason.partition("). ")[2] for item in rejected}
    assert advice == {"It looks like cp1252: if it is, give --encoding cp1252"}
    read_again = list(RecordReader([tmp_path], settings=ReaderSettings(encoding="cp1252")))
    assert all(isinstance(item, Record) for item in read_again)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.jsonl", b'{"text": "one"}\r\r{"text": "two"}\r'),
        ("a.csv", b"text\rone\rtwo\r"),
        ("a.tsv", b"text\tn\rone\t1\rtwo\t2"),
    ],
)
def test_old_mac_line_ends_are_read(tmp_path: Path, name: str, content: bytes) -> None:
    (tmp_path / name).write_bytes(content)
    assert [item.text for item in RecordReader([tmp_path]) if isinstance(item, Record)] == ["one", "two"]


def test_marks_and_blank_lines_around_json_lines_are_passed_over(tmp_path: Path) -> None:
    one, two = b'{"text": "a\xe2\x80\xa8b"}', b'{"text": "two"}'
    (tmp_path / "a.jsonl").write_bytes(
        b"\n \t\n\xef\xbb\xbf\n\xef\xbb\xbf" + one + b"\n\r\n\xef\xbb\xbf" + two + b"\n\n"
    )
    assert list(RecordReader([tmp_path])) == [Record("a.jsonl#4", "a\u2028b"), Record("a.jsonl#6", "two")]

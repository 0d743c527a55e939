from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected

if TYPE_CHECKING:
    from pathlib import Path

PAGE = """<!doctype html><html><head><title> The
 cat </title><style>p { color: red }</style><script>var x = "<p>no</p>"</script></head>
<body><h1>A <b>cat</b></h1><p>sat on_the <a href="https://example.org/mat">mat</a><p>and slept
<ul><li>one<li>two</ul><pre><code>x = 1
y = 2</code></pre><img src="data:image/png;base64,AAAA" alt="a photo">
<table><tr><th>a<th>b<tr><td>1<td>2</table><noscript>Turn it on</noscript></body></html>"""


def read(folder: Path, name: str, content: str | bytes, settings: ReaderSettings | None = None) -> Record | Rejected:
    (folder / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (item,) = RecordReader([folder], settings=settings)
    return item


def test_a_page_becomes_markdown_and_its_title_metadata(tmp_path: Path) -> None:
    record = read(tmp_path, "cat.html", PAGE)
    assert isinstance(record, Record)
    assert (record.source_id, record.metadata, record.syntax) == ("cat.html", {"title": "The cat"}, "markdown")
    for part in ("# A cat", "sat on_the mat", "and slept", "* one\n* two", "x = 1\ny = 2", "a photo", "| 1 | 2 |"):
        assert part in record.text
    for part in ("color", "var x", "example.org", "base64", "Turn it on"):
        assert part not in record.text


@pytest.mark.parametrize(
    "page",
    [
        b'<meta charset="windows-1252"><p>caf\xe9',
        b'<?xml version="1.0" encoding="latin-1"?><html><body><p>caf\xe9</p></body></html>',
        b'<meta charset="utf-16"><p>caf\xc3\xa9',
    ],
)
def test_a_page_is_decoded_as_it_says_itself(tmp_path: Path, page: bytes) -> None:
    record = read(tmp_path, "a.html", page, ReaderSettings(encoding="utf-8"))
    assert isinstance(record, Record)
    assert record.text == "caf\u00e9"


@pytest.mark.parametrize("page", ["", "readme.txt", "just text &amp; more", "<", "<?xml version='1.0'?><a>x</a>"])
def test_what_is_hardly_a_page_is_read_without_a_warning(tmp_path: Path, page: str) -> None:
    assert isinstance(read(tmp_path, "a.html", page), Record)


def test_a_page_that_is_nested_too_deeply_is_rejected(tmp_path: Path) -> None:
    rejected = read(tmp_path, "a.html", "<div>" * 5000 + "deep")
    assert isinstance(rejected, Rejected)
    assert "a.html: its elements are nested too deeply" in rejected.reason
    assert rejected.source_id == "a.html"


@pytest.mark.parametrize("name", ["a.txt", "a.html"])
def test_a_file_longer_than_a_record_may_be_is_rejected(tmp_path: Path, name: str) -> None:
    rejected = read(tmp_path, name, "x" * 101, ReaderSettings(max_record_bytes=100))
    assert isinstance(rejected, Rejected)
    assert rejected.reason == f"{tmp_path}/{name}: the file is longer than 100 bytes. Split it into several records"


@pytest.mark.parametrize("content", [b"\x1f\x8b\x08\0", b'{"text": "one"}'])
def test_damaged_compression_is_rejected(tmp_path: Path, content: bytes) -> None:
    rejected = read(tmp_path, "a.jsonl.gz", content)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith(f"{tmp_path}/a.jsonl.gz: ")


@pytest.mark.parametrize(
    ("declared", "content", "text"),
    [
        ('<meta charset="iso-8859-1">', b"\x93smart\x94", "“smart”"),
        ("<META HTTP-EQUIV='content-type' CONTENT='text/html; CHARSET=gb2312'>", b"\xe9\x46", "镕"),
        ("<meta charset=shift_jis>", b"\x87\x40", "①"),
        ("<meta charset=' EUC-KR '>", b"\x8c\x63", "똠"),
        ("<!-- <meta charset=utf-8> --><meta charset=klingon><meta charset=cp1251>", b"\xe9", "й"),
        ('<?xml version="1.0" encoding="Shift_JIS"?>', b"\x87\x40", "①"),
        ("<meta charset=gb2312>", "é…".encode(), "é…"),
    ],
)
def test_a_page_s_charset_means_what_it_means_to_browsers(
    tmp_path: Path, declared: str, content: bytes, text: str
) -> None:
    record = read(tmp_path, "a.html", declared.encode() + b"<p>" + content)
    assert isinstance(record, Record)
    assert record.text == text


def test_the_option_decides_where_the_declared_charset_fails(tmp_path: Path) -> None:
    page = "<meta charset=utf-8><p>élan vital déjà".encode("cp1252")
    rejected = read(tmp_path, "a.html", page)
    assert isinstance(rejected, Rejected)
    assert rejected.reason.endswith(
        "a.html:1: not UTF-8 (byte 0xe9). It looks like cp1252: if it is, give --encoding cp1252"
    )
    record = read(tmp_path, "a.html", page, ReaderSettings(encoding="cp1252"))
    assert isinstance(record, Record)
    assert record.text == "élan vital déjà"
    for charset in ("klingon", "gb2312"):  # unknown; known, but not what the page is in
        again = read(tmp_path, "a.html", page.replace(b"utf-8", charset.encode()), ReaderSettings(encoding="cp1252"))
        assert isinstance(again, Record)
        assert again.text.endswith("vital déjà")


def test_a_page_with_nul_characters_is_rejected(tmp_path: Path) -> None:
    rejected = read(tmp_path, "a.html", "<p>a".encode("utf-16-le"))
    assert isinstance(rejected, Rejected)
    assert "NUL character" in rejected.reason


def test_old_mac_line_ends_are_line_breaks(tmp_path: Path) -> None:
    record = read(tmp_path, "a.txt", b"one\rtwo\r\rthree")
    assert isinstance(record, Record)
    assert record.text == "one\ntwo\n\nthree"

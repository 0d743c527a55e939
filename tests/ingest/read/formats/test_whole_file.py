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

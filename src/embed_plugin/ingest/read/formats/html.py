"""HTML: one record per page, what a reader sees of it as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.charsets import codec_of
from embed_plugin.ingest.read.decoding import Encoding, decode, read_whole, split_mark
from embed_plugin.ingest.read.fields import checked_record
from embed_plugin.ingest.read.formats.visible_page import Page, parse_events, read_page
from embed_plugin.ingest.read.left_out.clean import without_blobs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record, Rejected

_HEAD_BYTES = 2**16
_XML_ENCODING = re.compile(rb"""\s*<\?xml[^>]{1,200}?encoding\s{0,9}=\s{0,9}["']([\w.:-]{1,40})""", re.IGNORECASE)
_CHARSET = re.compile(r"""charset\s*=\s*["']?([^\s"';]+)""", re.IGNORECASE)


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read a page as one record: its text as Markdown, its title in the metadata."""
    path = str(file.path)
    try:
        html = decode_page(read_whole(stream, path, limit=settings.max_record_bytes), path, settings.encoding)
        page = _page(html, path)
        metadata = {"title": page.title} if page.title else {}
        yield checked_record(file.name, without_blobs(page.text), {**metadata}, syntax="markdown", place=path)
    except RecordError as error:
        yield file.rejected(str(error), source_id=file.name)


def _page(html: str, path: str) -> Page:
    if "\0" in html:  # no page: rejected as it stands
        return Page("", html)
    try:
        return read_page(html)
    except RecordError as error:
        raise RecordError(f"{path}: {error}") from error


def decode_page(content: bytes, path: str, chosen: str | None) -> str:
    """Decode by the byte order mark, else as the page declares, else as chosen, else as UTF-8.

    Raises:
        RecordError: it is none of these; the message is about what was chosen, or else about what the page declares.
    """
    marked, rest = split_mark(content, chosen=chosen)
    declared = None if len(rest) < len(content) else declared_encoding(content)
    if declared is None:
        return decode(rest, marked, path, first_line=1)
    try:
        return decode(content, Encoding(declared, ahead=bytes), path, first_line=1)
    except RecordError:
        if chosen is not None:
            return decode(content, marked, path, first_line=1)
        try:
            return content.decode("utf-8")
        except UnicodeDecodeError:
            pass
        raise


def declared_encoding(content: bytes) -> str | None:
    """The encoding that a page declares in ``meta`` or as XML, by its label; None if it declares none that is known."""
    if not content.strip():
        return None
    head = _Head()
    parse_events(content[:_HEAD_BYTES], head, encoding="iso-8859-1")
    if head.encoding is None and (found := _XML_ENCODING.match(content[:_HEAD_BYTES])):
        return _known(found[1].decode("ascii", "replace"))
    return head.encoding


def _known(label: str) -> str | None:
    codec = codec_of(label)
    # A label that could be read is not in UTF-16, whatever it says.
    return "utf-8" if codec is not None and codec.startswith(("utf-16", "utf-32")) else codec and label


class _Head:
    """Finds the first ``meta`` element with a known encoding."""

    def __init__(self) -> None:
        self.encoding: str | None = None

    def start(self, tag: str, attributes: Mapping[str, str]) -> None:
        """Look at an element."""
        if tag == "meta" and self.encoding is None:
            label = attributes.get("charset")
            if label is None and attributes.get("http-equiv", "").strip().lower() == "content-type":
                found = _CHARSET.search(attributes.get("content", ""))
                label = found and found[1]
            self.encoding = _known(label) if label else None

    def end(self, tag: str) -> None:
        """Pass over the end of an element."""

    def close(self) -> None:
        """End the page."""

"""HTML: one record per page, its visible text as Markdown."""

from __future__ import annotations

import codecs
import re
from html import unescape
from typing import TYPE_CHECKING, BinaryIO

from bs4 import BeautifulSoup
from bs4.dammit import EncodingDetector
from markdownify import ATX, MarkdownConverter

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import decode, read_whole, split_mark
from embed_plugin.ingest.read.fields import checked_record

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record, Rejected

_INVISIBLE = ("script", "style", "template", "noscript", "title")
_XML_DECLARATION = re.compile(r"\s*<\?xml[^>]*\?>")
# URLs and escaping backslashes are noise to a model.
_CONVERTER = MarkdownConverter(
    heading_style=ATX, strip=["a"], escape_asterisks=False, escape_underscores=False, escape_misc=False
)


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read a page as one record: its text as Markdown, its title in the metadata."""
    try:
        content = read_whole(stream, str(file.path), limit=settings.max_record_bytes)
        chosen = _declared_encoding(content) or settings.encoding
        encoding, content = split_mark(content, chosen=chosen)
        title, text = _markdown_of(decode(content, encoding, str(file.path), first_line=1), str(file.path))
        metadata = {"title": title} if title else {}
        yield checked_record(file.name, text, {**metadata}, syntax="markdown", place=str(file.path))
    except RecordError as error:
        yield file.rejected(str(error), source_id=file.name)


def _declared_encoding(content: bytes) -> str | None:
    """The encoding that the page declares; None if it declares none that is known."""
    name = EncodingDetector.find_declared_encoding(content, is_html=True)
    try:
        # A name that was found is not in UTF-16 bytes, whatever it says.
        return None if name is None or name.startswith("utf-16") else codecs.lookup(name).name
    except LookupError:
        return None


def _markdown_of(page: str, path: str) -> tuple[str, str]:
    """Return the title (may be empty) and the text of a page: headings, lists, tables and code as Markdown.

    Links become their text, images their description; scripts and styles are left out.

    Raises:
        RecordError: its elements are nested too deeply.
    """
    # Beautiful Soup warns if a page has no elements or begins like XML.
    if "<" not in page:
        return "", unescape(page).strip()
    soup = BeautifulSoup(_XML_DECLARATION.sub("", page, count=1), "lxml")
    title = " ".join(soup.title.get_text().split()) if soup.title else ""
    for element in soup(_INVISIBLE):
        element.decompose()
    for image in soup("img"):
        image.replace_with(str(image.get("alt") or ""))
    try:
        return title, _CONVERTER.convert_soup(soup).strip()
    except RecursionError as error:
        message = f"{path}: its elements are nested too deeply. Simplify the page, or convert it to text"
        raise RecordError(message) from error

"""EPUB: one record per chapter, in reading order."""

from __future__ import annotations

import posixpath
import re
import zipfile
from typing import TYPE_CHECKING, BinaryIO, NamedTuple
from urllib.parse import unquote

from lxml import etree

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.documents.markdown import one_line
from embed_plugin.ingest.read.formats.documents.parts import named_values, part_record
from embed_plugin.ingest.read.formats.html import decode_page
from embed_plugin.ingest.read.formats.visible_page import read_page

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record

_CONTAINER = "META-INF/container.xml"
_ENCRYPTION = "META-INF/encryption.xml"
_PAGES = frozenset({"application/xhtml+xml", "text/html"})
_CLOSED = re.compile(r"<([A-Za-z][\w:-]*)([^<>]*)/>")
_VOID = frozenset(
    {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "param", "source", "track", "wbr"}
)
_FIRST_HEADING = re.compile(r"^#{1,6} (.{1,200})$", re.MULTILINE)


class _Package(NamedTuple):
    """The contents of a book.

    Attributes:
        facts: Its title, author and language.
        pages: The files of its chapters, in reading order.
    """

    facts: dict[str, JSON]
    pages: list[str]


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record]:
    """Read each file in the reading order of the book, as a page of the web is read.

    Metadata: ``part`` (its number), ``chapter`` (its first heading, or its title), ``title`` and ``author``.

    Raises:
        RecordError: it is damaged, has no chapter, or its text is encrypted.
    """
    with zipfile.ZipFile(stream) as archive:
        package = _package(archive, file)
        if not package.pages:
            raise RecordError(f"{file.path}: no chapter in it. Repair it, or leave it out with --exclude")
        if encrypted := _encrypted(archive) & set(package.pages):
            found = f"{file.path}: its text is encrypted ({min(encrypted)})"
            raise RecordError(f"{found}, as of a bought book. Leave it out with --exclude")
        for number, name in enumerate(package.pages, 1):
            html = decode_page(archive.read(name), f"{file.path} ({name})", settings.encoding)
            page = read_page(_opened_and_closed(html).replace("\0", ""))
            title = _FIRST_HEADING.search(page.text)
            chapter = named_values(chapter=title[1] if title else page.title)
            metadata = {**package.facts, **chapter, "part": number}
            yield part_record(file, name, page.text, metadata=metadata, settings=settings)


def _package(archive: zipfile.ZipFile, file: SourceFile) -> _Package:
    """Read the package file that the container names."""
    names = set(archive.namelist())
    if _CONTAINER not in names:
        raise RecordError(f"{file.path}: found a zip archive without {_CONTAINER}, expected an EPUB. Leave it out")
    root = next(iter(_values(_xml(archive, _CONTAINER), "rootfile", "full-path")), "")
    package = _xml(archive, root)
    folder = posixpath.dirname(root)
    items = {
        item.get("id"): posixpath.normpath(posixpath.join(folder, unquote(item.get("href", ""))))
        for item in _elements(package, "item")
        if item.get("media-type") in _PAGES
    }
    spine = [item.get("idref") for item in _elements(package, "itemref") if item.get("linear") != "no"]
    facts = named_values(title=_first_text(package, "title"), author=_first_text(package, "creator"))
    return _Package(facts, list(dict.fromkeys(items[one] for one in spine if one in items and items[one] in names)))


def _encrypted(archive: zipfile.ZipFile) -> set[str]:
    """The files that are encrypted; fonts often are, in books that anyone may read."""
    if _ENCRYPTION not in archive.namelist():
        return set()
    return {unquote(name) for name in _values(_xml(archive, _ENCRYPTION), "CipherReference", "URI")}


def _xml(archive: zipfile.ZipFile, name: str) -> etree._Element:
    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False)
    return etree.fromstring(archive.read(name), parser)


def _elements(root: etree._Element, name: str) -> Iterator[etree._Element]:
    yield from root.iter(f"{{*}}{name}")


def _values(root: etree._Element, element: str, attribute: str) -> list[str]:
    return [value for found in _elements(root, element) if (value := found.get(attribute))]


def _first_text(root: etree._Element, name: str) -> str:
    return next((one_line(found.text) for found in _elements(root, name) if found.text), "")


def _opened_and_closed(xhtml: str) -> str:
    """Replace elements that XML closes at once by an opening and a closing tag: HTML knows no ``<title/>``."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return match[0] if name.lower() in _VOID else f"<{name}{match[2]}></{name}>"

    return _CLOSED.sub(replaced, xhtml)

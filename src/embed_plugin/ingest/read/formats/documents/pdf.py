"""PDF: one record per page, by PDFium."""

from __future__ import annotations

from bisect import bisect_right
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, BinaryIO, NamedTuple

import pypdfium2

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.documents.markdown import one_line
from embed_plugin.ingest.read.formats.documents.parts import named_values, part_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record

_MOST_BOOKMARKS = 10_000
_HYPHENS = ("\x02", "\ufffe")
"""PDFium's marks of a hyphen at the end of a line, whose word goes on in the next."""


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record]:
    """Read the text of each page; pages without any are empty records.

    Metadata: ``page``, ``section`` (the bookmark that the page lies under), ``title`` and ``author``.

    Raises:
        RecordError: it is damaged, has a password, or no page of it has text, as of a scan.
    """
    with closing(_opened(stream, file)) as document:
        texts = [_text(document, number) for number in range(len(document))]
        if not any(text.strip() for text in texts):
            found = f"{file.path}: no text on any of its {len(texts)} pages, as of a scan"
            raise RecordError(f"{found}. Recognise its text with an OCR program first, or leave it out with --exclude")
        facts = _facts(document)
        sections = _sections(document)
    for number, text in enumerate(texts, 1):
        metadata: dict[str, JSON] = {**facts, "page": number}
        if section := _section_of(sections, number):
            metadata["section"] = section
        yield part_record(file, f"page={number}", text, metadata=metadata, settings=settings, syntax="text")


def _opened(stream: BinaryIO, file: SourceFile) -> pypdfium2.PdfDocument:
    try:
        return pypdfium2.PdfDocument(stream.read())
    except pypdfium2.PdfiumError as error:
        if "password" in str(error).lower():
            message = (
                f"{file.path}: it is encrypted with a password. Save it without one, or leave it out with --exclude"
            )
            raise RecordError(message) from error
        raise


def _text(document: pypdfium2.PdfDocument, index: int) -> str:
    """The text of a page, with words whole that a hyphen cuts at the end of a line."""
    with closing(document[index]) as page, closing(page.get_textpage()) as text_page:
        text = text_page.get_text_bounded().replace("\r\n", "\n")
    for mark in _HYPHENS:
        text = text.replace(f"{mark}\n", "").replace(mark, "")
    return "\n".join(line.strip() for line in text.split("\n"))


def _facts(document: pypdfium2.PdfDocument) -> dict[str, JSON]:
    found = document.get_metadata_dict(skip_empty=True)
    return named_values(title=found.get("Title"), author=found.get("Author"))


class _Section(NamedTuple):
    """A bookmark with the titles around it, and the page that it leads to, from 1."""

    page: int
    path: str


def _sections(document: pypdfium2.PdfDocument) -> Sequence[_Section]:
    """The bookmarks in the order of their pages."""
    found: list[_Section] = []
    titles: list[str] = []
    for bookmark in islice(document.get_toc(), _MOST_BOOKMARKS):
        titles = [*titles[: bookmark.level], one_line(bookmark.get_title())]
        target = bookmark.get_dest()
        index = None if target is None else target.get_index()
        if index is not None:
            found.append(_Section(index + 1, " > ".join(filter(None, titles))))
    return sorted(found, key=lambda section: section.page)


def _section_of(sections: Sequence[_Section], page: int) -> str:
    """The section that a page begins in; for one that sections begin on, the first of those."""
    here = [section.path for section in sections if section.page == page]
    if here:
        return here[0]
    before = bisect_right([section.page for section in sections], page)
    return sections[before - 1].path if before else ""

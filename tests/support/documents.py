"""Small documents, made by the libraries of their formats."""

from __future__ import annotations

import io
import json
import zipfile
from email.message import EmailMessage
from typing import TYPE_CHECKING

import docx
import openpyxl
import pptx
from pptx.util import Inches
from reportlab.lib.utils import ImageReader
from reportlab.pdfgen.canvas import Canvas

if TYPE_CHECKING:
    from collections.abc import Sequence

PIXEL = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8cfc000000301"
    "0100c9fe92ef0000000049454e44ae426082"
)
"""A PNG image of one pixel."""


def pdf(*pages: str, password: str | None = None, bookmarks: Sequence[tuple[int, str, int]] = ()) -> bytes:
    """A PDF with a page for each text; lines are set below each other, bookmarks are (page, title, level)."""
    out = io.BytesIO()
    canvas = Canvas(out, encrypt=password, invariant=1)
    canvas.setTitle("The report")
    canvas.setAuthor("A. Cat")
    for number, page in enumerate(pages, 1):
        for at, title, level in bookmarks:
            if at == number:
                canvas.bookmarkPage(title)
                canvas.addOutlineEntry(title, title, level)
        for line, text in enumerate(page.split("\n")):
            canvas.drawString(72, 720 - 20 * line, text)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def scan(pages: int = 2) -> bytes:
    """A PDF of images alone."""
    out = io.BytesIO()
    canvas = Canvas(out)
    for _ in range(pages):
        canvas.drawImage(ImageReader(io.BytesIO(PIXEL)), 0, 0, 500, 700)
        canvas.showPage()
    canvas.save()
    return out.getvalue()


def word() -> bytes:
    """A DOCX with headings, a list and a table."""
    document = docx.Document()
    document.core_properties.title = "Cats"
    document.core_properties.author = "A. Cat"
    document.add_heading("About cats", 0)
    document.add_heading("Food", 1)
    document.add_paragraph("The cat eats fish.")
    document.add_paragraph("tuna", style="List Bullet")
    document.add_paragraph("salmon", style="List Bullet")
    document.add_heading("Prices", 2)
    table = document.add_table(rows=2, cols=2)
    for row, cells in enumerate((("fish", "price"), ("tuna | big", "3"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    document.add_paragraph("The end.")
    return _saved(document)


def slides() -> bytes:
    """A PPTX of two slides: one with text, notes and levels, one with a table."""
    presentation = pptx.Presentation()
    presentation.core_properties.title = "Deck"
    first = presentation.slides.add_slide(presentation.slide_layouts[1])
    first.shapes.title.text = "Plan"
    frame = first.placeholders[1].text_frame
    frame.text = "Feed the cat"
    paragraph = frame.add_paragraph()
    paragraph.text, paragraph.level = "with fish", 1
    first.notes_slide.notes_text_frame.text = "Smile."
    second = presentation.slides.add_slide(presentation.slide_layouts[5])
    second.shapes.title.text = "Costs"
    table = second.shapes.add_table(2, 2, Inches(1), Inches(2), Inches(4), Inches(1)).table
    for row, cells in enumerate((("item", "cost"), ("fish", "3"))):
        for column, text in enumerate(cells):
            table.cell(row, column).text = text
    return _saved(presentation)


def workbook(rows: Sequence[Sequence[object]], *, name: str = "Budget") -> bytes:
    """An XLSX with rows in its first sheet, an empty second one, and a third that is hidden."""
    book = openpyxl.Workbook()
    book.active.title = name
    for row in rows:
        book.active.append(list(row))
    book.create_sheet("Empty")
    hidden = book.create_sheet("Secret")
    hidden["A1"] = "hidden"
    hidden.sheet_state = "hidden"
    return _saved(book)


def book(*chapters: str, encrypted: bool = False) -> bytes:
    """An EPUB with a file for each chapter's body, whose titles are closed at once."""
    out = io.BytesIO()
    files = [f"text/c{number}.xhtml" for number in range(1, len(chapters) + 1)]
    items = "".join(
        f'<item id="c{number}" href="{name}" media-type="application/xhtml+xml"/>' for number, name in enumerate(files)
    )
    spine = "".join(f'<itemref idref="c{number}"/>' for number in range(len(files)))
    package = (
        '<package xmlns="http://www.idpf.org/2007/opf" xmlns:dc="http://purl.org/dc/elements/1.1/"><metadata>'
        f"<dc:title>The book</dc:title><dc:creator>A. Cat</dc:creator></metadata><manifest>{items}</manifest>"
        f"<spine>{spine}</spine></package>"
    )
    container = (
        '<container xmlns="urn:oasis:names:tc:opendocument:xmlns:container"><rootfiles>'
        '<rootfile full-path="OEBPS/package.opf"/></rootfiles></container>'
    )
    with zipfile.ZipFile(out, "w") as archive:
        archive.writestr("mimetype", "application/epub+zip")
        archive.writestr("META-INF/container.xml", container)
        archive.writestr("OEBPS/package.opf", package)
        for name, body in zip(files, chapters, strict=True):
            archive.writestr(f"OEBPS/{name}", f"<html><head><title/></head><body>{body}</body></html>")
        if encrypted:
            reference = f'<CipherReference URI="OEBPS/{files[0]}"/>'
            archive.writestr("META-INF/encryption.xml", f"<encryption>{reference}</encryption>")
    return out.getvalue()


def notebook() -> bytes:
    """A notebook with a cell of text, one of code and its output."""
    cells = [
        {"cell_type": "markdown", "metadata": {}, "source": ["# Cats\n", "They purr."]},
        {"cell_type": "code", "metadata": {}, "source": "print('```')", "outputs": [{"data": "noise"}]},
        {"cell_type": "code", "metadata": {}, "source": "", "outputs": []},
    ]
    metadata = {"language_info": {"name": "python"}}
    return json.dumps({"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": cells}).encode()


def mail(*attachments: tuple[str, bytes], html: str | None = None) -> bytes:
    """A mail with attachments; with HTML in place of its plain text, if that is given."""
    message = EmailMessage()
    message["Subject"] = "Käse for the cat"
    message["From"] = "Ann <ann@example.com>"
    message["To"] = "bob@example.com"
    message["Date"] = "Sat, 28 Nov 2026 10:00:00 +0100"
    message["Message-ID"] = "<1@example.com>"
    if html is None:
        message.set_content("Dear Bob,\nthe cat is hungry.\n")
    else:
        message.set_content(html, subtype="html")
    for name, content in attachments:
        message.add_attachment(content, maintype="application", subtype="octet-stream", filename=name)
    return message.as_bytes()


def _saved(document: object) -> bytes:
    out = io.BytesIO()
    document.save(out)  # type: ignore[attr-defined] # each library's document has it
    return out.getvalue()

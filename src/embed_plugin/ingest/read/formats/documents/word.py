"""DOCX: one record, its headings, lists and tables as Markdown."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, BinaryIO

import docx
from docx.oxml.ns import qn
from docx.oxml.parser import parse_xml

from embed_plugin.ingest.read.formats.documents.markdown import heading, one_line, paragraphs, table
from embed_plugin.ingest.read.formats.documents.parts import named_values, part_record

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from docx.document import Document
    from docx.oxml.xmlchemy import BaseOxmlElement

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record

_HEADING = re.compile(r"heading ([1-9])", re.IGNORECASE)
_NOT_SHOWN = frozenset(
    {
        qn("w:del"),
        qn("w:moveFrom"),
        qn("w:pPr"),
        qn("w:instrText"),
        "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback",
    }
)
"""Elements whose text is deleted, is a command, or stands beside its own newer form."""
_CHARACTERS: Mapping[str, str] = {
    qn("w:tab"): "\t",
    qn("w:br"): "\n",
    qn("w:cr"): "\n",
    qn("w:noBreakHyphen"): "-",
    qn("w:p"): "\n",
}
_PARAGRAPH, _PARAGRAPH_PROPERTIES = qn("w:p"), qn("w:pPr")
_RUN, _TEXT = qn("w:r"), qn("w:t")
_HIDDEN = f"{qn('w:rPr')}/{qn('w:vanish')}"
_NOTES = ("footnotes", "endnotes")
_MOST_BASES = 20


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record]:
    """Read the document as one record, footnotes last; what is tracked as deleted or hidden is left out.

    Metadata: ``title`` and ``author`` of its properties.
    """
    document = docx.Document(stream)
    levels = _heading_levels(document)
    text = paragraphs([*_blocks(document.element.body, levels), *_notes(document)])
    facts = named_values(title=document.core_properties.title, author=document.core_properties.author)
    yield part_record(file, "", text, metadata=facts, settings=settings)


def _heading_levels(document: Document) -> Mapping[str, int]:
    """The level of each style that is a heading, by its id; styles take it from those that they are based on."""
    styles = {style.style_id: style for style in document.styles}
    found = {}
    for style_id, style in styles.items():
        one, level = style, None
        for _ in range(_MOST_BASES):  # a damaged file may have a circle
            level = _own_level(one.name or "", one.element)
            base = getattr(one, "base_style", None)
            if level is not None or base is None:
                break
            one = base
        if level is not None:
            found[style_id] = level
    return found


def _own_level(name: str, element: BaseOxmlElement) -> int | None:
    if match := _HEADING.fullmatch(name):
        return int(match[1])
    return 1 if name == "Title" else _outline_level(element)


def _outline_level(element: BaseOxmlElement) -> int | None:
    """The level of a paragraph or style that is in the outline; 9 is Word's for running text."""
    value = next(iter(element.xpath("./w:pPr/w:outlineLvl/@w:val")), "9")
    return int(value) + 1 if str(value) in set("012345678") else None


def _blocks(parent: BaseOxmlElement, levels: Mapping[str, int]) -> Iterator[str]:
    """The paragraphs, headings and tables in an element, and in the content controls and insertions in it."""
    items: list[str] = []
    for element in parent.iterchildren():
        if element.tag == _PARAGRAPH:
            text, is_item = _paragraph(element, levels)
            if is_item:
                items.append(text)
                continue
        if items:
            yield "\n".join(items)
            items = []
        if element.tag == _PARAGRAPH:
            yield text
        elif element.tag == qn("w:tbl"):
            yield table([_text(cell) for cell in _cells(row)] for row in element.iter(qn("w:tr")))
        elif element.tag in {qn("w:sdt"), qn("w:sdtContent"), qn("w:ins"), qn("w:customXml")}:
            yield from _blocks(element, levels)
    yield "\n".join(items)


def _paragraph(element: BaseOxmlElement, levels: Mapping[str, int]) -> tuple[str, bool]:
    """The Markdown of a paragraph, and whether it is an item of a list."""
    text = _text(element).strip()
    if element.find(_PARAGRAPH_PROPERTIES) is None:
        return text, False
    style = next(iter(element.xpath("./w:pPr/w:pStyle/@w:val")), "")
    level = _outline_level(element) or levels.get(str(style))
    if level is not None:
        return heading(text, level), False
    depth = next(iter(element.xpath("./w:pPr/w:numPr/w:ilvl/@w:val")), None)
    if text and (depth is not None or str(style).startswith("List")):
        indent = "  " * min(int(depth), 8) if depth is not None and str(depth).isdecimal() else ""
        return f"{indent}* {one_line(text)}", True
    return text, False


def _cells(row: BaseOxmlElement) -> Iterator[BaseOxmlElement]:
    for child in row.iterchildren():
        if child.tag == qn("w:tc"):
            yield child
        elif child.tag == qn("w:sdt"):
            yield from child.xpath("./w:sdtContent/w:tc")


def _text(element: BaseOxmlElement) -> str:
    """The text that is shown in an element, also in text boxes and insertions."""
    parts: list[str] = []
    _add_text(element, parts)
    return "".join(parts)


def _add_text(element: BaseOxmlElement, parts: list[str]) -> None:
    if element.tag in _NOT_SHOWN or (element.tag == _RUN and element.find(_HIDDEN) is not None):
        return
    if element.tag == _TEXT:
        parts.append(element.text or "")
        return
    if parts:
        parts.append(_CHARACTERS.get(element.tag, ""))
    for child in element.iterchildren():
        _add_text(child, parts)


def _notes(document: Document) -> Iterator[str]:
    """The footnotes and endnotes."""
    for relation in document.part.rels.values():
        if relation.reltype.endswith(_NOTES) and not relation.is_external:
            for note in parse_xml(relation.target_part.blob).iterchildren():
                yield _text(note).strip()

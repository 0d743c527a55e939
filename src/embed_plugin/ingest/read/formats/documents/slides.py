"""PPTX: one record per slide."""

from __future__ import annotations

from typing import TYPE_CHECKING, BinaryIO

import pptx
from pptx.shapes.group import GroupShape

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.formats.documents.markdown import heading, one_line, paragraphs, table
from embed_plugin.ingest.read.formats.documents.parts import named_values, part_record

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from pptx.shapes.base import BaseShape
    from pptx.slide import Slide

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import Record


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record]:
    """Read each slide: its title as a heading, its texts and tables in their order, its notes last.

    Metadata: ``page`` (the slide's number), ``slide`` (its title), ``title`` and ``author`` of the properties.

    Raises:
        RecordError: it has no slide.
    """
    presentation = pptx.Presentation(stream)
    if not len(presentation.slides):
        raise RecordError(f"{file.path}: no slide in it. Add one, or leave it out with --exclude")
    properties = presentation.core_properties
    facts = named_values(title=properties.title, author=properties.author)
    for number, slide in enumerate(presentation.slides, 1):
        title = slide.shapes.title
        name = one_line(title.text_frame.text) if title is not None else ""
        others = (shape for shape in slide.shapes if title is None or shape.shape_id != title.shape_id)
        text = paragraphs([heading(name, 1), *_texts(others), _notes(slide)])
        metadata = {**facts, **named_values(slide=name), "page": number}
        yield part_record(file, f"slide={number}", text, metadata=metadata, settings=settings)


def _texts(shapes: Iterable[BaseShape]) -> Iterator[str]:
    """The text of each shape, as Markdown."""
    for shape in shapes:
        if isinstance(shape, GroupShape):
            yield from _texts(shape.shapes)
        elif getattr(shape, "has_table", False):
            yield table([cell.text for cell in row.cells] for row in shape.table.rows)  # type: ignore[attr-defined]
        elif getattr(shape, "has_chart", False):
            chart = shape.chart  # type: ignore[attr-defined]
            yield one_line(chart.chart_title.text_frame.text) if chart.has_title else ""
        elif shape.has_text_frame:
            yield _lines(shape)


def _lines(shape: BaseShape) -> str:
    """The paragraphs of a shape; those of deeper levels are items of a list."""
    lines = []
    for paragraph in shape.text_frame.paragraphs:  # type: ignore[attr-defined]
        text = one_line(paragraph.text)
        if text:
            lines.append(f"{'  ' * (paragraph.level - 1)}* {text}" if paragraph.level else text)
    return "\n".join(lines)


def _notes(slide: Slide) -> str:
    if not slide.has_notes_slide or slide.notes_slide.notes_text_frame is None:
        return ""
    notes = slide.notes_slide.notes_text_frame.text.strip()
    return f"Notes: {notes}" if notes else ""

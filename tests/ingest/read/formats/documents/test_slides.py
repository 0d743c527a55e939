from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pptx
from pptx.util import Inches

from embed_plugin.ingest import Record, RecordReader, Rejected
from support.documents import slides

if TYPE_CHECKING:
    from pathlib import Path


def test_each_slide_is_a_record_with_title_levels_table_and_notes(tmp_path: Path) -> None:
    (tmp_path / "a.pptx").write_bytes(slides())
    facts = {"title": "Deck"}
    first = "# Plan\n\nFeed the cat\n* with fish\n\nNotes: Smile."
    second = "# Costs\n\n| item | cost |\n| --- | --- |\n| fish | 3 |"
    assert list(RecordReader([tmp_path])) == [
        Record("a.pptx#slide=1", first, {**facts, "slide": "Plan", "page": 1}, syntax="markdown"),
        Record("a.pptx#slide=2", second, {**facts, "slide": "Costs", "page": 2}, syntax="markdown"),
    ]


def test_grouped_shapes_are_read(tmp_path: Path) -> None:
    presentation = pptx.Presentation()
    slide = presentation.slides.add_slide(presentation.slide_layouts[6])
    group = slide.shapes.add_group_shape()
    group.shapes.add_textbox(Inches(1), Inches(1), Inches(1), Inches(1)).text_frame.text = "inside"
    out = io.BytesIO()
    presentation.save(out)
    (tmp_path / "a.pptx").write_bytes(out.getvalue())
    (record,) = RecordReader([tmp_path])
    assert isinstance(record, Record)
    assert (record.text, "slide" in record.metadata) == ("inside", False)


def test_a_presentation_without_slides_is_rejected(tmp_path: Path) -> None:
    pptx.Presentation().save(str(tmp_path / "a.pptx"))
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "a.pptx: no slide in it" in rejected.reason

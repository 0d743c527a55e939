from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING

import docx
import pytest
from docx.oxml.parser import parse_xml

from embed_plugin.ingest import Record, RecordReader, Rejected
from support.documents import word, workbook

if TYPE_CHECKING:
    from pathlib import Path

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'


def read(folder: Path, content: bytes) -> Record | Rejected:
    (folder / "a.docx").write_bytes(content)
    (found,) = RecordReader([folder])
    return found


def body(folder: Path, *paragraphs: str) -> str:
    """The text of a document with these elements of WordprocessingML."""
    document = docx.Document()
    for paragraph in reversed(paragraphs):
        document.element.body.insert(0, parse_xml(paragraph.replace(">", f" {W}>", 1)))
    out = io.BytesIO()
    document.save(out)
    found = read(folder, out.getvalue())
    assert isinstance(found, Record)
    return found.text


def test_headings_lists_and_tables_are_markdown(tmp_path: Path) -> None:
    text = (
        "# About cats\n\n# Food\n\nThe cat eats fish.\n\n* tuna\n* salmon\n\n## Prices\n\n"
        "| fish | price |\n| --- | --- |\n| tuna \\| big | 3 |\n\nThe end."
    )
    found = read(tmp_path, word())
    assert found == Record("a.docx", text, {"title": "Cats", "author": "A. Cat"}, syntax="markdown")


def test_what_is_deleted_or_hidden_is_left_out_and_what_is_inserted_is_read(tmp_path: Path) -> None:
    runs = (
        "<w:r><w:t>kept </w:t></w:r><w:ins><w:r><w:t>new</w:t></w:r></w:ins><w:del><w:r><w:delText>old</w:delText>"
        "</w:r></w:del><w:r><w:rPr><w:vanish/></w:rPr><w:t>hidden</w:t></w:r><w:moveFrom><w:r><w:t>moved</w:t></w:r>"
        "</w:moveFrom><w:r><w:tab/><w:t>end</w:t><w:noBreakHyphen/><w:t>ing</w:t></w:r>"
    )
    assert body(tmp_path, f"<w:p>{runs}</w:p>") == "kept new\tend-ing"


def test_content_controls_are_read(tmp_path: Path) -> None:
    inner = "<w:p><w:r><w:t>inside</w:t></w:r></w:p>"
    assert body(tmp_path, f"<w:sdt><w:sdtContent>{inner}</w:sdtContent></w:sdt>") == "inside"


def test_an_outline_level_makes_a_heading(tmp_path: Path) -> None:
    level = '<w:pPr><w:outlineLvl w:val="2"/></w:pPr>'
    running = '<w:pPr><w:outlineLvl w:val="9"/></w:pPr>'
    text = body(tmp_path, *(f"<w:p>{one}<w:r><w:t>cat</w:t></w:r></w:p>" for one in (level, running)))
    assert text == "### cat\n\ncat"


def test_a_style_based_on_a_heading_is_one(tmp_path: Path) -> None:
    document = docx.Document()
    style = document.styles.add_style("Chapter", 1)
    style.base_style = document.styles["Heading 3"]
    document.add_paragraph("Cats", style="Chapter")
    out = io.BytesIO()
    document.save(out)
    found = read(tmp_path, out.getvalue())
    assert isinstance(found, Record)
    assert found.text == "### Cats"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"The cat sat", "found text, expected docx"),
        (b"", "found an empty file, expected docx"),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1rest",
            "found a document of old Office (DOC, XLS, PPT, MSG), or one with a pass",
        ),
        (word()[:2000], "cannot be read as docx (BadZipFile"),
        (workbook([["a"]]), "cannot be read as docx (ValueError"),
    ],
    ids=["text", "empty", "encrypted", "cut", "xlsx"],
)
def test_another_file_called_docx_is_rejected(tmp_path: Path, content: bytes, reason: str) -> None:
    rejected = read(tmp_path, content)
    assert isinstance(rejected, Rejected)
    assert f"a.docx: {reason}" in rejected.reason
    assert rejected.source_id == "a.docx"


def test_text_that_is_no_xml_is_rejected(tmp_path: Path) -> None:
    content = io.BytesIO(word())
    out = io.BytesIO()
    with zipfile.ZipFile(content) as old, zipfile.ZipFile(out, "w") as new:
        for name in old.namelist():
            new.writestr(name, b"<w:p" if name == "word/document.xml" else old.read(name))
    rejected = read(tmp_path, out.getvalue())
    assert isinstance(rejected, Rejected)
    assert "cannot be read as docx (XMLSyntaxError" in rejected.reason

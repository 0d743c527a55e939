"""Compare parsers of documents: what of a document with known content each of them keeps, their licences and sizes.

Run:  python benchmarks/run/document_parsers.py, in an environment with the extra dev and benchmarks/documents.txt
"""

from __future__ import annotations

import io
import json
import sys
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import distribution
from pathlib import Path
from typing import TYPE_CHECKING, Any

import _path  # noqa: F401 - puts benchmarks/ on the path
from lib.tables import table

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "tests"))
from support.documents import notebook, pdf, word, workbook

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PAGES = [f"Page {page} begins.\nitem {page} | {page * 7} pieces\nIt ends." for page in range(1, 21)]


@dataclass(frozen=True)
class Parser:
    """A parser.

    Attributes:
        packages: What it needs beside what the extra ingest has; the first is the parser.
        read: Reads a document as one text.
    """

    packages: tuple[str, ...]
    read: Callable[[bytes], str]


def _pypdfium2(content: bytes) -> str:
    document = _module("pypdfium2").PdfDocument(content)
    return "\f".join(page.get_textpage().get_text_bounded() for page in document)


def _pypdf(content: bytes) -> str:
    return "\f".join(page.extract_text() for page in _module("pypdf").PdfReader(io.BytesIO(content)).pages)


def _pdfminer(content: bytes) -> str:
    return str(_module("pdfminer.high_level").extract_text(io.BytesIO(content))).rstrip("\f")


def _python_docx(content: bytes) -> str:
    """As this package reads it."""
    reading = import_module("embed_plugin.ingest.read.formats.documents.word")
    files = import_module("embed_plugin.ingest.read.source_files")
    settings = import_module("embed_plugin.ingest.read.settings").ReaderSettings()
    file = files.SourceFile(Path("a.docx"), "a.docx", "docx")
    return "\n".join(record.text for record in reading.read_records(io.BytesIO(content), file, settings))


def _mammoth(content: bytes) -> str:
    return str(_module("mammoth").convert_to_markdown(io.BytesIO(content)).value)


def _docx2python(content: bytes) -> str:
    with _module("docx2python").docx2python(io.BytesIO(content)) as document:
        return str(document.text)


def _calamine(content: bytes) -> str:
    book = _module("python_calamine").CalamineWorkbook.from_filelike(io.BytesIO(content))
    return "\n".join(map(repr, book.get_sheet_by_index(0).to_python()))


def _openpyxl(content: bytes) -> str:
    sheet = _module("openpyxl").load_workbook(io.BytesIO(content), read_only=True, data_only=True).worksheets[0]
    return "\n".join(map(repr, sheet.iter_rows(values_only=True)))


def _plain_json(content: bytes) -> str:
    return "\n".join("".join(cell["source"]) for cell in json.loads(content)["cells"])


def _nbformat(content: bytes) -> str:
    return "\n".join(cell.source for cell in _module("nbformat").reads(content.decode(), as_version=4).cells)


def _module(name: str) -> Any:  # noqa: ANN401 - packages without types
    return import_module(name)


PARSERS: Mapping[str, Mapping[str, Parser]] = {
    "PDF": {
        "pypdfium2": Parser(("pypdfium2",), _pypdfium2),
        "pypdf": Parser(("pypdf",), _pypdf),
        "pdfminer.six": Parser(("pdfminer.six", "cryptography", "cffi", "pycparser"), _pdfminer),
    },
    "DOCX": {
        "python-docx": Parser(("python-docx",), _python_docx),
        "mammoth": Parser(("mammoth", "cobble"), _mammoth),
        "docx2python": Parser(("docx2python", "paragraphs"), _docx2python),
    },
    "XLSX": {
        "python-calamine": Parser(("python-calamine",), _calamine),
        "openpyxl": Parser(("openpyxl", "et_xmlfile"), _openpyxl),
    },
    "ipynb": {
        "json": Parser((), _plain_json),
        "nbformat": Parser(("nbformat", "fastjsonschema", "jupyter_core", "traitlets"), _nbformat),
    },
}
DOCUMENTS: Mapping[str, Callable[[], bytes]] = {
    "PDF": lambda: pdf(*PAGES),
    "DOCX": word,
    "XLSX": lambda: workbook([["item", "price"], ["fish", 3], ["milk", 0.5]]),
    "ipynb": notebook,
}
CHECKS: Mapping[str, Mapping[str, Callable[[str], bool]]] = {
    "PDF": {
        "pages": lambda text: (
            [f"Page {n} begins." in part for n, part in enumerate(text.split("\f"), 1)] == [True] * 20
        ),
        "rows": lambda text: all(f"item {page} | {page * 7} pieces" in text for page in range(1, 21)),
    },
    "DOCX": {
        "headings": lambda text: "# Food" in text,
        "rows": lambda text: any("tuna" in line and "3" in line for line in text.splitlines()),
    },
    "XLSX": {"rows": lambda text: any("fish" in line and "3" in line for line in text.splitlines())},
    "ipynb": {"text": lambda text: "They purr." in text},
}


def megabytes(packages: tuple[str, ...]) -> str:
    """The size of packages as they are installed."""
    files = [path for package in packages for path in distribution(package).files or ()]
    return f"{sum(size_of(Path(str(path.locate()))) for path in files) / 1e6:.1f}"


def size_of(path: Path) -> int:
    """Bytes of a file; 0 if it is not there."""
    return path.stat().st_size if path.is_file() else 0


def licence(package: str) -> str:
    """The licence that a package states."""
    facts = distribution(package).metadata
    stated = next((facts[name] for name in ("License-Expression", "License") if name in facts), "-")
    return stated.split("\n")[0][:40]


def main() -> None:
    """Print a table for each format."""
    for kind, parsers in PARSERS.items():
        content, checks = DOCUMENTS[kind](), CHECKS[kind]
        rows = []
        for name, parser in parsers.items():
            text = parser.read(content)
            kept = ["yes" if check(text) else "no" for check in checks.values()]
            facts = [distribution(name).version, licence(name)] if parser.packages else ["-", "Python's"]
            rows.append([name, *facts, megabytes(parser.packages), *kept])
        print(table([kind, "version", "licence", "MB", *checks], rows))


if __name__ == "__main__":
    main()

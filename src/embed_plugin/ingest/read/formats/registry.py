"""The formats of files.

To add one: write a module in this folder with the function ``read_records`` (and ``record_of_rejected``, where the
format's rejected records are kept in a form of their own; both are described in ``read/file.py``), and add a line to
``FORMATS``. Suffixes, ``--format``, stdin, gzip and the retry of dead letters follow from that line.

This module imports no reader, so that the command line can list the formats without the extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.ingest.read.binary import PARQUET, PDF, ZIP
from embed_plugin.ingest.read.formats.syntax import SYNTAXES

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path


@dataclass(frozen=True)
class FileFormat:
    """A format of files.

    Attributes:
        module: The module in this folder that reads it.
        suffixes: Suffixes of its files, in lower case and with the dot.
        gzip: Whether its files may be compressed (``.jsonl.gz``).
        stdin: Whether it may be read from stdin.
        whole: Whether a file of it is one record.
        content: What its files are by their first bytes, as ``read/binary.py`` names it; None for text.
        isolated: Whether its files are parsed in a child process: others made them, and their parsers may fail.
        extra: The extra of this package that the module needs, besides ``ingest``.
        rejected_keys: Keys of a rejected record that only the module's ``record_of_rejected`` understands.
    """

    module: str
    suffixes: tuple[str, ...]
    gzip: bool = False
    stdin: bool = False
    whole: bool = False
    content: str | None = None
    isolated: bool = False
    extra: str | None = None
    rejected_keys: tuple[str, ...] = ()


FORMATS: Mapping[str, FileFormat] = {
    "text": FileFormat("text", (".txt", ".rst", *SYNTAXES), stdin=True, whole=True, rejected_keys=("text_line",)),
    "html": FileFormat("html", (".html", ".htm", ".xhtml"), whole=True),
    "jsonl": FileFormat("json_lines", (".jsonl", ".ndjson"), gzip=True, stdin=True, rejected_keys=("line",)),
    "csv": FileFormat("delimited", (".csv",), gzip=True, stdin=True, rejected_keys=("header", "cells")),
    "tsv": FileFormat("delimited", (".tsv",), gzip=True, stdin=True),
    "json": FileFormat("json_document", (".json",), gzip=True, stdin=True),
    "parquet": FileFormat("parquet", (".parquet",), extra="parquet", content=PARQUET),
    "pdf": FileFormat("documents.pdf", (".pdf",), extra="documents", content=PDF, isolated=True),
    "docx": FileFormat("documents.word", (".docx",), whole=True, extra="documents", content=ZIP, isolated=True),
    "pptx": FileFormat("documents.slides", (".pptx",), extra="documents", content=ZIP, isolated=True),
    "xlsx": FileFormat("documents.sheets", (".xlsx", ".xlsm"), extra="documents", content=ZIP, isolated=True),
    "epub": FileFormat("documents.epub", (".epub",), content=ZIP, isolated=True),
    "ipynb": FileFormat("notebook", (".ipynb",), whole=True),
    "eml": FileFormat("documents.mail", (".eml",), isolated=True),
}
"""Every format by its name.

text, html, docx, ipynb: one record per file. jsonl, csv, tsv, json, parquet: one per line, row or element. pdf, pptx,
xlsx, epub: one per page, slide, sheet or chapter. eml: the mail, and those of its attachments.
"""

UNREAD: Mapping[str, str] = {
    ".mbox": "mail",
    ".mht": "saved pages",
    ".mhtml": "saved pages",
}
"""Suffixes of text that is of no use as it stands, and what the files hold: they are not read as plain text unasked."""

AUTO = "auto"
"""In place of a format: by the file's suffix."""

STDIN_FORMAT = "jsonl"
"""What stdin holds where no format is chosen."""

if TYPE_CHECKING:
    Format: TypeAlias = str
else:
    Format = Literal[AUTO, *FORMATS]
"""The name of a format, or ``auto``."""

_BY_SUFFIX = {suffix: name for name, file_format in FORMATS.items() for suffix in file_format.suffixes}


def is_gzipped(path: Path) -> bool:
    """Return whether the suffixes are those of a compressed file, of a format that may be compressed."""
    name = _BY_SUFFIX.get(path.with_suffix("").suffix.lower()) if path.suffix.lower() == ".gz" else None
    return name is not None and FORMATS[name].gzip


def format_of(path: Path) -> Format | None:
    """The format of a file by its suffix; None if no format has it."""
    return _BY_SUFFIX.get((path.with_suffix("") if is_gzipped(path) else path).suffix.lower())

"""The formats of files.

To add one: write a module in this folder with the function ``read_records`` (and ``record_of_rejected``, where the
format's rejected records are kept in a form of their own; both are described in ``read/file.py``), and add a line to
``FORMATS``. Suffixes, ``--format``, stdin, gzip and the retry of dead letters follow from that line.

This module imports no reader, so that the command line can list the formats without the extra.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypeAlias

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
        extra: The extra of this package that the module needs, besides ``ingest``.
        rejected_keys: Keys of a rejected record that only the module's ``record_of_rejected`` understands.
    """

    module: str
    suffixes: tuple[str, ...]
    gzip: bool = False
    stdin: bool = False
    whole: bool = False
    extra: str | None = None
    rejected_keys: tuple[str, ...] = ()


FORMATS: Mapping[str, FileFormat] = {
    "text": FileFormat("text", (".txt", ".rst", *SYNTAXES), stdin=True, whole=True, rejected_keys=("text_line",)),
    "html": FileFormat("html", (".html", ".htm", ".xhtml"), whole=True),
    "jsonl": FileFormat("json_lines", (".jsonl", ".ndjson"), gzip=True, stdin=True, rejected_keys=("line",)),
    "csv": FileFormat("delimited", (".csv",), gzip=True, stdin=True, rejected_keys=("header", "cells")),
    "tsv": FileFormat("delimited", (".tsv",), gzip=True, stdin=True),
    "parquet": FileFormat("parquet", (".parquet",), extra="parquet"),
}
"""Every format by its name. text, html: one record per file. jsonl, csv, tsv, parquet: one per line or row."""

UNREAD: Mapping[str, str] = {
    ".ipynb": "notebooks",
    ".eml": "mail",
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

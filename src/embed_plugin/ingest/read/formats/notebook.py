"""Jupyter notebooks: one record per notebook, its text and code as Markdown."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, BinaryIO, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import decode, read_whole, split_mark
from embed_plugin.ingest.read.fields import checked_record
from embed_plugin.ingest.read.formats.documents.markdown import cleaned, fenced, paragraphs

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record, Rejected


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read text cells as they stand, and code cells between fences; outputs and attachments are left out."""
    path = str(file.path)
    try:
        encoding, content = split_mark(read_whole(stream, path, limit=settings.max_record_bytes), chosen=None)
        notebook = _parsed(decode(content, encoding, path, first_line=1), path)
        syntax = _language(notebook)
        text = paragraphs(_cell(cell, syntax) for cell in _cells(notebook, path))
        yield checked_record(file.name, text, syntax="markdown", place=path)
    except RecordError as error:
        yield file.rejected(str(error), source_id=file.name)


def _parsed(content: str, path: str) -> Mapping[str, JSON]:
    try:
        notebook = json.loads(content)  # not strictly: outputs may hold NaN
    except (ValueError, RecursionError) as error:
        raise RecordError(f"{path}: not a notebook, which is JSON ({error}). Save it anew") from error
    if not isinstance(notebook, dict):
        raise RecordError(f"{path}: not a notebook, which is a JSON object. Save it anew")
    return notebook


def _cells(notebook: Mapping[str, JSON], path: str) -> list[Mapping[str, JSON]]:
    """The cells; before version 4 of the format they were in worksheets."""
    sheets = notebook.get("worksheets")
    holders = [notebook] if "cells" in notebook or not isinstance(sheets, list) else sheets
    found: list[Mapping[str, JSON]] = []
    for holder in holders:
        cells = holder.get("cells") if isinstance(holder, dict) else None
        if not isinstance(cells, list):
            raise RecordError(f"{path}: a notebook without a list of cells. Save it anew")
        found += [cell for cell in cells if isinstance(cell, dict)]
    return found


def _cell(cell: Mapping[str, JSON], syntax: str) -> str:
    source = cell.get("source", cell.get("input", ""))
    text = "".join(map(str, source)) if isinstance(source, list) else str(source)
    text = cleaned(text).strip("\n")
    match cell.get("cell_type"):
        case "code":
            return fenced(text, syntax) if text.strip() else ""
        case "heading":
            level = cell.get("level")
            return f"{'#' * min(level if isinstance(level, int) else 1, 6)} {text}"
        case _:
            return text


def _language(notebook: Mapping[str, JSON]) -> str:
    """The language of the code, for the fences; empty if it is not told."""
    metadata = notebook.get("metadata")
    facts = cast("Mapping[str, JSON]", metadata) if isinstance(metadata, dict) else {}
    for holder, name in (("language_info", "name"), ("kernelspec", "language")):
        values = facts.get(holder)
        language = values.get(name) if isinstance(values, dict) else None
        if isinstance(language, str) and language.isalnum():
            return language.lower()
    return ""

"""Records of the parts of a document: its pages, slides, sheets or chapters.

A part is a record of its own, so that its number is metadata of each of its chunks, that a change in one part leaves
the others as they are stored, and that no chunk lies on two pages.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import too_long
from embed_plugin.ingest.read.fields import checked_record
from embed_plugin.ingest.read.formats.documents.markdown import cleaned, one_line

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record


def part_record(
    file: SourceFile,
    part: str,
    text: str,
    *,
    metadata: Mapping[str, JSON],
    settings: ReaderSettings,
    syntax: str = "markdown",
) -> Record:
    """Make the record of a part, such as ``page=3``; of the whole document, if the part has no name.

    Raises:
        RecordError: its text is longer than a record may be.
    """
    source_id = f"{file.name}#{part}" if part else file.name
    place = f"{file.path} ({part})" if part else str(file.path)
    text = cleaned(text)
    if len(text) > settings.max_record_bytes:
        raise RecordError(too_long(f"{place}: its text", settings.max_record_bytes))
    return checked_record(source_id, text, dict(metadata), syntax=syntax, place=place)


def named_values(**values: object) -> dict[str, JSON]:
    """Metadata of properties, without those that are empty."""
    texts = {name: one_line(str(value)) for name, value in values.items() if value}
    return {name: text for name, text in texts.items() if text}

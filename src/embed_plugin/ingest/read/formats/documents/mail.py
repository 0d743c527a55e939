"""Mail: one record for the message, and those of each attachment whose format is known."""

from __future__ import annotations

import io
from contextlib import suppress
from email import policy
from email.parser import BytesParser
from email.utils import parsedate_to_datetime
from importlib import import_module
from pathlib import PurePath
from typing import TYPE_CHECKING, BinaryIO, Protocol, cast

from embed_plugin.errors import EmbedPluginError
from embed_plugin.extras import check_extra
from embed_plugin.ingest.read import formats
from embed_plugin.ingest.read.charsets import codec_of, decode_bytes
from embed_plugin.ingest.read.formats.documents.markdown import cleaned, one_line, paragraphs
from embed_plugin.ingest.read.formats.documents.parts import named_values, part_record
from embed_plugin.ingest.read.formats.registry import FORMATS, format_of, is_gzipped
from embed_plugin.ingest.read.formats.visible_page import read_page
from embed_plugin.ingest.read.source_files import SourceFile
from embed_plugin.ingest.records import Record, Rejected

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from email.message import EmailMessage, MIMEPart

    from embed_plugin.ingest.read.settings import ReaderSettings
    from embed_plugin.ingest.read.skipped import SkippedItem
    from embed_plugin.ingest.records import JSON

_INHERITED: tuple[str, ...] = ("subject", "from", "date")
"""Metadata of a mail that its attachments have too."""
_MOST_NESTED = 5
"""Mail in mail in mail is read to this depth."""
_SUFFIXES: Mapping[str, str] = {"message/rfc822": ".eml", "text/plain": ".txt", "text/html": ".html"}
"""The suffix of an attachment without a name, by its type."""


class _Module(Protocol):
    def read_records(
        self, stream: BinaryIO, file: SourceFile, settings: ReaderSettings, /
    ) -> Iterator[Record | Rejected | SkippedItem]: ...


def read_records(stream: BinaryIO, file: SourceFile, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    """Read the text of a message, else its HTML, and then its attachments by their names' suffixes.

    Metadata of the message: ``subject``, ``from``, ``to``, ``cc``, ``date`` (ISO 8601), ``message_id`` and
    ``attachments`` (their names). An attachment has its own and ``attachment``, ``subject``, ``from`` and ``date``.
    """
    message = BytesParser(policy=policy.default).parse(stream)
    facts = _headers(message)
    names = [name for name, _ in _attachments(message)]
    listed: dict[str, JSON] = {"attachments": list(names)} if names else {}
    subject = facts.get("subject")
    text = paragraphs([f"# {subject}" if subject else "", _body(message)])
    yield part_record(file, "", text, metadata={**facts, **listed}, settings=settings)
    inherited: dict[str, JSON] = {name: facts[name] for name in _INHERITED if name in facts}
    for name, part in _attachments(message):
        yield from _records_of(part, name, file, {**inherited, "attachment": name}, settings)


def _headers(message: EmailMessage) -> dict[str, JSON]:
    names = {"subject": "subject", "from": "from", "to": "to", "cc": "cc", "message_id": "message-id"}
    found = named_values(**{name: _header(message, header) for name, header in names.items()})
    with suppress(TypeError, ValueError, OverflowError):  # there is none, or none that can be read
        found["date"] = parsedate_to_datetime(_header(message, "date")).isoformat()
    return found


def _header(message: EmailMessage, name: str) -> str:
    """A header as text; as it stands, if it cannot be parsed."""
    try:
        return str(message.get(name, ""))
    except Exception:  # noqa: BLE001 - the parser of headers raises anything for damaged ones
        return next((str(value) for key, value in message.raw_items() if key.lower() == name), "")


def _body(message: EmailMessage) -> str:
    part = message.get_body(("plain", "html"))
    if part is None:
        return ""
    text = _text(part)
    return read_page(text).text if part.get_content_type() == "text/html" else text.strip()


def _text(part: MIMEPart) -> str:
    """The text of a part, in its charset; what is not valid in it is replaced."""
    content = part.get_payload(decode=True)
    if not isinstance(content, bytes):
        return ""
    codec = codec_of(str(part.get_content_charset("utf-8"))) or "utf-8"
    try:
        return cleaned(decode_bytes(content, codec))
    except UnicodeDecodeError:
        return cleaned(content.decode("utf-8", "replace"))


def _attachments(message: EmailMessage) -> Iterator[tuple[str, EmailMessage]]:
    """The attachments, each with a name that no other one has."""
    taken: set[str] = set()
    for number, part in enumerate(message.iter_attachments(), 1):
        given = part.get_filename()
        first = name = one_line(str(given)) if given else f"part-{number}{_SUFFIXES.get(part.get_content_type(), '')}"
        path, again = PurePath(first), 1
        while name in taken:
            again += 1
            name = f"{path.stem}-{again}{path.suffix}"
        taken.add(name)
        yield name, part


def _records_of(
    part: EmailMessage, name: str, file: SourceFile, metadata: dict[str, JSON], settings: ReaderSettings
) -> Iterator[Record | Rejected]:
    """Read an attachment; one that cannot be read is rejected, and the mail and the others stay."""
    path = file.path / name.replace("/", "_")
    chosen = format_of(path)
    if chosen is None or is_gzipped(path) or file.name.count("#") >= _MOST_NESTED:
        return
    inner = SourceFile(path, f"{file.name}#{name}", chosen, file.source_name)
    try:
        if extra := FORMATS[chosen].extra:
            check_extra(f"{file.path}: the attachment {name}", extra=extra)
        module = cast("_Module", import_module(f"{formats.__name__}.{FORMATS[chosen].module}"))
        for found in module.read_records(io.BytesIO(_content(part)), inner, settings):
            if isinstance(found, Record):
                yield _with(found, metadata)
            elif isinstance(found, Rejected):
                yield file.rejected(found.reason)
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - damaged attachments raise anything
        reason = str(error) if isinstance(error, EmbedPluginError) else f"{path}: cannot be read as {chosen} ({error})"
        yield file.rejected(reason)


def _content(part: EmailMessage) -> bytes:
    """The bytes of an attachment; of a forwarded mail, the mail."""
    if part.get_content_type() == "message/rfc822":
        inner = part.get_payload()
        if isinstance(inner, list) and inner:
            return cast("EmailMessage", inner[0]).as_bytes()
    content = part.get_payload(decode=True)
    return content if isinstance(content, bytes) else b""


def _with(record: Record, metadata: dict[str, JSON]) -> Record:
    """The record of an attachment, with what is known of the mail; its own metadata comes first."""
    return Record(
        record.source_id,
        record.text,
        {**metadata, **record.metadata},
        syntax=record.syntax,
        place=record.place,
        numbers_as_text=record.numbers_as_text,
    )

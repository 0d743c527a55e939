"""The data of ingest: a record is read, cut into chunks and stored, or rejected."""

from __future__ import annotations

import hashlib
import json
from copy import copy
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, NamedTuple, Self, TypeAlias

from embed_plugin.errors import RecordError
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.metadata import stored_form

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.types import TokenIds

JSON: TypeAlias = bool | int | float | str | list["JSON"] | dict[str, "JSON"] | None
"""Any JSON value."""


class LeftOut(NamedTuple):
    """A part of a source that is not in the text of its record, such as front matter.

    Attributes:
        at: Position in the text that it stood before.
        characters: Its length; a line break is one character.
        lines: Number of its line breaks.
    """

    at: int
    characters: int
    lines: int


@dataclass(frozen=True)
class Record:
    """One text to store and search.

    Attributes:
        source_id: The record's id, the same in every run; unique within its source.
        text: The text to embed.
        metadata: Stored beside the text; any JSON object of at most 64 levels of objects and lists, itself included.
            Integers beyond 64 bits become their decimal text.
        syntax: The kind of text, which decides where a long one is cut: ``text`` (paragraphs, sentences), ``markdown``
            (headings, lists, code), or a programming language (``python``: functions, statements).
        source_name: Name of the source that it was read from; empty if there is only one, without a name.
        file: Name of its file in the source; empty if it was read from none.
        path: Where that file can be opened: its absolute path. In a search result, it is ``source`` in the metadata.
        place: File and line where it was read (``notes.jsonl:17``), for messages.
        left_out: The parts of its file that are not in the text, in order, where the text is otherwise the file's; None
            where it is not, as of a row of a table or of a web page, so that lines of the text are none of the file.
        numbers_as_text: The number of integers in the metadata that became text: those counted here are added.

    What is not Unicode in the names of files and sources is escaped.

    Raises:
        RecordError: the id is empty, id, text or metadata cannot be stored as UTF-8 JSON, or the metadata is nested too
            deeply.
    """

    source_id: str
    text: str
    metadata: Mapping[str, JSON] = field(default_factory=dict)
    syntax: str = field(default="text", kw_only=True)
    source_name: str = field(default="", kw_only=True, compare=False)
    file: str = field(default="", kw_only=True, compare=False)
    path: str = field(default="", kw_only=True, compare=False)
    place: str = field(default="", kw_only=True, compare=False)
    left_out: Sequence[LeftOut] | None = field(default=None, kw_only=True, compare=False)
    numbers_as_text: int = field(default=0, kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        for attribute in ("source_name", "file", "path", "place"):
            object.__setattr__(self, attribute, escaped(getattr(self, attribute)))
        name = self.place or f"record {self.source_id!r}"
        if not self.source_id:
            raise RecordError(f"{name}: the id is empty. Give every record a name of its own")
        try:
            metadata, numbers_as_text = stored_form(self.metadata)
            object.__setattr__(self, "metadata", metadata)
            object.__setattr__(self, "numbers_as_text", self.numbers_as_text + numbers_as_text)
            _ = self.source_id.encode(), self.text.encode(), self.metadata_hash
        except UnicodeEncodeError as error:
            bad = error.object[error.start]
            message = f"{name}: found the lone surrogate {bad!r}, which is no character. Repair or remove it"
            raise RecordError(message) from error
        except ValueError as error:
            message = f"{name}: the metadata is too deep ({error}). Flatten it, or store it as text"
            raise RecordError(message) from error
        except TypeError as error:
            message = f"{name}: the metadata is not JSON ({error}). Use strings, finite numbers, lists and objects"
            raise RecordError(message) from error

    def located(self, *, source_name: str, file: str, path: str) -> Self:
        """Return the record with its place in a source; what was checked is not checked again."""
        found = copy(self)
        for attribute, value in (("source_name", source_name), ("file", file), ("path", path)):
            object.__setattr__(found, attribute, escaped(value))
        found.__dict__.pop("metadata_hash", None)  # it covers file and path
        return found

    @property
    def key(self) -> str:
        """Its key in a collection."""
        return record_key(self.source_name, self.source_id)

    @cached_property
    def metadata_hash(self) -> str:
        """sha256 (hex) of what may change beside the text.

        That is metadata and path as canonical JSON, the file's name, and the places of what is left out of it.
        """
        cited = {"source": self.path, **self.metadata} if self.path else self.metadata
        left_out = "".join(f"\0{part.at} {part.characters} {part.lines}" for part in self.left_out or ())
        return sha256(canonical_json(cited) + self.file + left_out)

    @property
    def is_empty(self) -> bool:
        """True if there is nothing to embed: no text, or only whitespace and NUL characters."""
        return not self.text.replace("\0", "").strip()


@dataclass(frozen=True)
class Rejected:
    """A record or chunk that could not be read, cut or stored, with the reason: a line of the dead-letter file.

    Attributes:
        reason: What was found, what was expected and what to do.
        place: Where it was read (``notes.jsonl:17``); empty if that is not known.
        source_id: The record's id, if one could be read.
        chunk_index: The chunk that was refused; None for the whole record.
        record: The data that ``--retry-rejected`` tries again.
        record_count: The number of records that are lost with it: more than one where a quote that is not closed, or
            damage, swallowed others.
        source_name: The record's source.
        stored: ``record_hash`` of what was stored of the record when it was rejected, empty for nothing; None if that
            is not known.

    What is not Unicode in its strings (a file name of other bytes, a lone surrogate) is escaped, but for ``record``.
    """

    reason: str
    place: str
    source_id: str | None = None
    chunk_index: int | None = None
    record: JSON = None
    source_name: str = field(default="", kw_only=True, compare=False)
    record_count: int = field(default=1, kw_only=True)
    stored: str | None = field(default=None, kw_only=True, compare=False)

    def __post_init__(self) -> None:
        for name in ("reason", "place", "source_id", "source_name"):
            value = getattr(self, name)
            object.__setattr__(self, name, value if value is None else escaped(value))

    @property
    def key(self) -> str | None:
        """The record's key in a collection, if its id could be read."""
        return None if self.source_id is None else record_key(self.source_name, self.source_id)

    @classmethod
    def of(cls, record: Record, reason: str, *, chunk_index: int | None = None) -> Self:
        """Reject a record that was read, keeping all that is needed to try it again."""
        fields: dict[str, JSON] = {"id": record.source_id, "text": record.text, "metadata": dict(record.metadata)}
        if record.syntax != "text":
            fields["syntax"] = record.syntax
        for name in ("file", "path"):
            if value := getattr(record, name):
                fields[name] = value
        if record.left_out is not None:
            fields["left_out"] = [list(part) for part in record.left_out]
        return cls(reason, record.place, record.source_id, chunk_index, fields, source_name=record.source_name)


@dataclass(frozen=True)
class Chunk:
    """One piece of a record's text, as it is embedded and stored.

    Attributes:
        source_id: The record's.
        index: Position among the record's chunks, from 0.
        count: Number of the record's chunks.
        text: The exact text that is embedded.
        metadata: The record's.
        metadata_hash: The record's.
        record_hash: sha256 (hex) of the record's whole text and of how it is cut; see :meth:`Chunker.hash_of`.
        tokens: Tokens of the text, special tokens and prefix included.
        token_ids: The ids of those tokens, if the encoder accepts tokenised texts.
        unknown_tokens: The number of them that the tokenizer does not know; None if the encoder does not count them.
        source_name: The record's.
        file: The record's.
        path: The record's.
        start: Position of its first character in the source, or in the record's text where that is not the source's;
            None if it is not known.
        end: Position behind its last character there; None for ``start`` and the length of the text.
        lines: Its first and its last line in the file, from 1; None where the text is not made of the file's lines.
        title: Of the document: its record's ``title``, else the first heading of the first level; empty if it has none.
        headings: The headings, or in Python the classes and functions, that it stands under, without the title.
        fields: The record's values of the fields that the model's document prefix names; without those it lacks.
    """

    source_id: str
    index: int
    count: int
    text: str
    metadata: Mapping[str, JSON]
    metadata_hash: str
    record_hash: str
    tokens: int
    token_ids: TokenIds | None = field(default=None, compare=False, repr=False)
    unknown_tokens: int | None = field(default=None, compare=False, repr=False)
    source_name: str = field(default="", kw_only=True)
    file: str = field(default="", kw_only=True)
    path: str = field(default="", kw_only=True)
    start: int | None = field(default=None, kw_only=True)
    end: int | None = field(default=None, kw_only=True)
    lines: tuple[int, int] | None = field(default=None, kw_only=True)
    title: str = field(default="", kw_only=True)
    headings: tuple[str, ...] = field(default=(), kw_only=True)
    fields: Mapping[str, str] = field(default_factory=dict, kw_only=True)

    @property
    def key(self) -> str:
        """The record's key in a collection."""
        return record_key(self.source_name, self.source_id)

    @cached_property
    def text_hash(self) -> str:
        """See :func:`text_hash_of`."""
        return text_hash_of(self.text, self.fields)


def canonical_json(value: Mapping[str, JSON]) -> str:
    """Write a value as JSON in one way only: sorted keys, no spaces, nothing escaped; refuse NaN and infinities."""
    return json.dumps(dict(value), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def escaped(text: str) -> str:
    r"""Escape what is not Unicode, as the bytes of a file name that are not UTF-8: ``caf\udce9.txt``."""
    return text.encode("utf-8", "backslashreplace").decode()


def text_hash_of(text: str, fields: Mapping[str, str]) -> str:
    """sha256 (hex) of what is embedded: the exact text, and the fields that are filled in before it, if there are any.

    Fields stand between bytes that no text has, so their hash is that of no text.
    """
    if not fields:
        return sha256(text)
    return hashlib.sha256(b"\xff" + canonical_json(fields).encode() + b"\xff" + text.encode()).hexdigest()


def sha256(text: str) -> str:
    """sha256 (hex) of a text as UTF-8."""
    return hashlib.sha256(text.encode()).hexdigest()

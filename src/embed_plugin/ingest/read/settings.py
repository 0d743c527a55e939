"""Settings for reading records."""

from __future__ import annotations

import threading
from dataclasses import dataclass

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.read.charsets import codec_of
from embed_plugin.ingest.read.formats.registry import AUTO, FORMATS, Format
from embed_plugin.ingest.read.ignore_rules import parse_patterns


@dataclass(frozen=True)
class ReaderSettings:
    """Settings for reading records.

    Attributes:
        format: Format of the files; ``auto`` goes by the suffix. stdin holds JSON lines by default, or ``csv``, ``tsv``
            or ``text``: then every line is a record.
        source: The name of the source of all paths; None to name each by its folder, and stdin ``stdin``.
        id_field: The field or column with the record's id; None to name records by file and line.
        text_fields: The fields or columns to embed; several are joined by line breaks, and those that are missing, null
            or empty are left out.
        metadata_fields: The fields to store beside the text; None for all that are neither id nor text.
        encoding: Encoding of text without a byte order mark, by the name that browsers or Python know; None for UTF-8.
        delimiter: Separator of cells; None for the comma of CSV and the tab of TSV. Quotes mean something in CSV alone.
        include: Patterns, as in .gitignore, of the files to read in folders, whatever their suffix; without any, the
            suffix decides.
        exclude: Patterns of files and folders to leave out.
        max_record_bytes: Maximum length of a line, row or file that is one record.
        infer_types: Whether cells of CSV and TSV that are written as numbers, true or false are stored as such in the
            metadata; see :func:`.typed_cell`.
        records_path: Path of the array of records in a JSON file, keys with dots between them; None for the whole.
        gitignore: Whether files that git ignores are left out of folders in a git work tree.
        max_parse_seconds: Maximum time for a document, such as a PDF, in the parser process.
        max_parse_bytes: Maximum memory for a document in the parser process.

    Raises:
        InvalidInputError: a setting that cannot be used.
    """

    format: Format = AUTO
    source: str | None = None
    id_field: str | None = None
    text_fields: tuple[str, ...] = ("text",)
    metadata_fields: tuple[str, ...] | None = None
    encoding: str | None = None
    delimiter: str | None = None
    infer_types: bool = False
    include: tuple[str, ...] = ()
    exclude: tuple[str, ...] = ()
    max_record_bytes: int = 64 * 2**20
    records_path: str | None = None
    gitignore: bool = True
    max_parse_seconds: float = 30.0
    max_parse_bytes: int = 2**30

    def __post_init__(self) -> None:
        if self.format not in {AUTO, *FORMATS}:
            raise InvalidInputError(f"the format is {self.format!r}: expected {AUTO}, {', '.join(FORMATS)}")
        self._check_fields()
        if self.source is not None and (not self.source or not self.source.isprintable()):
            raise InvalidInputError(f"the source is called {self.source!r}: expected characters that can be printed")
        if self.encoding is not None and codec_of(self.encoding) is None:
            message = f"no text encoding {self.encoding!r} is known. Use a name such as utf-16, cp1252 or shift_jis"
            raise InvalidInputError(message)
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '\r\n"'):
            message = f"the delimiter is {self.delimiter!r}: expected one character, and no quote or line break"
            raise InvalidInputError(message)
        if self.max_record_bytes < 1:
            raise InvalidInputError(f"{self.max_record_bytes} bytes a record: allow at least 1")
        self._check_limits()
        parse_patterns(self.include, "the patterns to include")
        parse_patterns(self.exclude, "the patterns to exclude")

    def _check_limits(self) -> None:
        if not 0 < self.max_parse_seconds <= threading.TIMEOUT_MAX:
            raise InvalidInputError(f"{self.max_parse_seconds} seconds a document: expected a number above 0")
        if self.max_parse_bytes < 1:
            raise InvalidInputError(f"{self.max_parse_bytes} bytes of memory a document: allow at least 1")

    @property
    def fields(self) -> tuple[str, ...] | None:
        """The fields to read, id and texts first; None for all."""
        return None if self.metadata_fields is None else self.named_fields

    @property
    def named_fields(self) -> tuple[str, ...]:
        """The fields that are named in the settings, id and texts first."""
        first = () if self.id_field is None else (self.id_field,)
        return tuple(dict.fromkeys((*first, *self.text_fields, *(self.metadata_fields or ()))))

    def _check_fields(self) -> None:
        if not self.text_fields:
            raise InvalidInputError("no field to embed was chosen. Name at least one with --text-field")
        if len(set(self.text_fields)) < len(self.text_fields):
            raise InvalidInputError(f"a text field was chosen twice ({', '.join(self.text_fields)}). Name each once")

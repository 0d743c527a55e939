"""Read dead letters back as records, to try them again."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias, cast

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.fields import Origin, record_of_values
from embed_plugin.ingest.read.file import FileReader, record_of_rejected
from embed_plugin.ingest.read.json_values import integer
from embed_plugin.ingest.read.settings import ReaderSettings
from embed_plugin.ingest.read.source_files import SourceFile, SourceFinder
from embed_plugin.ingest.records import Record, Rejected, escaped

if TYPE_CHECKING:
    from embed_plugin.ingest.records import JSON

_WHERE = {"path", "name", "number"}
_Files: TypeAlias = "dict[tuple[str, str | None], set[int] | None]"
"""Lines to read again of each file, by its path and the name of its records; None for the whole file."""


class DeadLetters(Iterator[Record | Rejected]):
    """The records of a dead-letter file, to be tried again: a :class:`~embed_plugin.ingest.read.source.Source`.

    Attributes:
        bytes_read: Not counted.
        total_bytes: Not known.
        skipped: Empty: every dead letter is tried again.
    """

    bytes_read = 0
    total_bytes: int | None = None

    def __init__(self, path: Path, settings: ReaderSettings) -> None:
        self.skipped: Counter[str] = Counter()
        self._records = _records(path, settings)

    def __next__(self) -> Record | Rejected:
        return next(self._records)


def read_dead_letters(path: Path, *, settings: ReaderSettings | None = None) -> DeadLetters:
    """Read a dead-letter file, to try its records again with the settings of now.

    A record is taken as the line has it, edited or not; a line that could not be parsed is parsed again; a file that
    could not be read is read again, once, after all others. Of several lines about one record, the last counts.

    Raises:
        RecordError: the file cannot be read; raised with the first record.
    """
    return DeadLetters(path, settings or ReaderSettings())


def _records(path: Path, settings: ReaderSettings) -> Iterator[Record | Rejected]:
    try:
        size = path.stat().st_size
        last = {_key(letter, number): number for number, letter in _letters(path, size)}
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions") from error
    retry = _Retry(settings)
    for number, letter in _letters(path, size):
        if last[_key(letter, number)] == number:
            yield from retry.take(letter)
    yield from retry.read_files()


def _letters(path: Path, size: int) -> Iterator[tuple[int, Rejected]]:
    """The lines in the first ``size`` bytes; more may be appended during the reading."""
    with path.open("rb") as stream:
        for number, line in enumerate(stream, start=1):
            if stream.tell() > size:
                return
            if not line.isspace():
                yield number, _letter(line.decode("utf-8", "replace"), f"{path}:{number}")


def _letter(line: str, place: str) -> Rejected:
    try:
        match json.loads(line, parse_int=integer):
            case {"source": str() | None as source, "place": str(about), "reason": str(reason), "record": record}:
                return Rejected(reason, about, source, record=cast("JSON", record))
    except (ValueError, RecursionError):
        problem = "half a line, of a run that was killed. Run that again, and delete this line"
        if line.endswith("\n"):
            problem = "not JSON. Mend it, or delete the line and run again what it came from"
    else:
        problem = "no dead letter (source, place, reason, record). Mend it, or delete the line"
    return Rejected(f"{place}: {problem}", place, record={"dead_letter": line})


def _key(letter: Rejected, number: int) -> tuple[str | None, str | int]:
    return letter.source_id, letter.place or ("" if letter.source_id else number)


class _Retry:
    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._files: _Files = {}

    def take(self, letter: Rejected) -> Iterator[Record | Rejected]:
        """Try a dead letter again, or list its file for later."""
        record = letter.record if isinstance(letter.record, dict) else {}
        match record:
            case {"dead_letter": str(line)}:
                mended = _letter(line, letter.place)
                yield from [mended] if mended.record == record else self.take(mended)
            case {"path": str(path)} if record.keys() <= _WHERE:
                self._list(path, record.get("name"), record.get("number"))
            case {"path": str(path), "name": str(name), "number": int(number)}:
                yield self._parse(record, Origin(name, path, number), letter)
            case _:
                yield _record(letter)

    def read_files(self) -> Iterator[Record | Rejected]:
        """Read the files on the list, each once."""
        finder = SourceFinder(self._settings)
        reader = FileReader(self._settings)
        for (path, name), numbers in self._files.items():
            found = [finder.named(Path(path), name)] if name is not None else finder.find(Path(path))
            for file in found:
                items = reader.read(file) if isinstance(file, SourceFile) else iter([file])
                yield from items if numbers is None else _lines(items, path, numbers)

    def _list(self, path: str, name: JSON, number: JSON) -> None:
        key = path, name if isinstance(name, str) else None
        numbers = self._files.setdefault(key, set())
        if not isinstance(number, int):
            self._files[key] = None
        elif numbers is not None:
            numbers.add(number)

    def _parse(self, raw: dict[str, JSON], origin: Origin, letter: Rejected) -> Record | Rejected:
        try:
            if isinstance(fields := raw.get("fields"), dict):
                return record_of_values(fields, origin, self._settings)
            return record_of_rejected(raw, origin, self._settings) or _record(letter)
        except RecordError as error:
            return Rejected(str(error), letter.place, letter.source_id, record=letter.record)


def _record(letter: Rejected) -> Record | Rejected:
    """The record that a dead letter holds."""
    match letter.record:
        case {"id": str(source_id), "text": str(text), "metadata": dict(metadata), **rest}:
            try:
                return Record(source_id, text, metadata, syntax=str(rest.get("syntax", "text")), place=letter.place)
            except RecordError as error:
                reason = str(error)
        case _:
            found = "nothing to try again" if letter.record is None else "no record with id, text and metadata"
            reason = f"{letter.place}: {found}. Run again what it came from"
    return Rejected(reason, letter.place, letter.source_id, record=letter.record)


def _lines(items: Iterator[Record | Rejected], path: str, numbers: set[int]) -> Iterator[Record | Rejected]:
    """The records of these lines of a file, or its rejection."""
    wanted = {escaped(f"{path}:{number}"): number for number in sorted(numbers)}
    for item in items:
        if item.place == escaped(path):
            yield item
            return
        if wanted.pop(item.place, None) is not None:
            yield item
    for place in wanted:
        yield Rejected(f"{place}: no such record any more. Run again what it came from", place)

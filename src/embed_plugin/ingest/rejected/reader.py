"""Read dead letters back as records, to try them again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import RecordError
from embed_plugin.ingest.read.decoding import NO_GUESS
from embed_plugin.ingest.read.fields import Origin, record_of_values
from embed_plugin.ingest.read.file import FileReader, located, record_of_rejected
from embed_plugin.ingest.read.formats.registry import AUTO
from embed_plugin.ingest.read.settings import ReaderSettings
from embed_plugin.ingest.read.skipped import STORED_SINCE, Skipped
from embed_plugin.ingest.read.source_files import SourceFile, SourceFinder
from embed_plugin.ingest.records import LeftOut, Record, Rejected, escaped
from embed_plugin.ingest.rejected.letter import NotALetterError, letter_of
from embed_plugin.ingest.sources import Scope
from embed_plugin.lines import Lines

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.ingest.read.skipped import SkippedItem
    from embed_plugin.ingest.records import JSON
    from embed_plugin.ingest.stores.sink import Sink

_WHERE = {"path", "name", "number"}

_LOOKED_UP_AT_ONCE = 64
"""Letters that are held together; each may have a record of many megabytes."""


class DeadLetters(Iterator[Record | Rejected]):
    """The records of a dead-letter file, to be tried again: a :class:`~embed_plugin.ingest.read.source.Source`.

    Attributes:
        bytes_read: Not counted.
        total_bytes: Not known.
        skipped: Counts the letters whose records were stored since they were written.
    """

    bytes_read = 0
    total_bytes: int | None = None

    def __init__(self, path: Path, settings: ReaderSettings, sink: Sink | None, skipped: Skipped) -> None:
        self.skipped = skipped
        self._records = _records(path, settings, sink, skipped)

    def __next__(self) -> Record | Rejected:
        return next(self._records)


def read_dead_letters(
    path: Path,
    *,
    settings: ReaderSettings | None = None,
    sink: Sink | None = None,
    on_skipped: Callable[[SkippedItem], None] | None = None,
) -> DeadLetters:
    """Read a dead-letter file, to try its records again with the settings of now.

    A record is taken as the line has it, edited or not; a line that could not be parsed is parsed again; a file that
    could not be read is read again, once, after all others. Of several lines about one record, the last counts.

    Args:
        path: The file.
        settings: The defaults if None.
        sink: The collection, which must exist when the first record is read. A letter whose record was stored after it
            was written is left out: it would bring back an old text. Without a sink, all are tried again.
        on_skipped: Called for each letter that is left out.

    Raises:
        RecordError: the file cannot be read; raised with the first record.
    """
    return DeadLetters(path, settings or ReaderSettings(), sink, Skipped(on_skipped))


def _records(path: Path, settings: ReaderSettings, sink: Sink | None, skipped: Skipped) -> Iterator[Record | Rejected]:
    try:
        size = path.stat().st_size
        last = {_key(letter, number): number for number, letter in _letters(path, size)}
    except OSError as error:
        raise RecordError(f"{path}: cannot be read ({error.strerror}). Check the path and its permissions") from error
    retry = _Retry(settings)
    tried = (
        (letter, item)
        for number, letter in _letters(path, size)
        if last[_key(letter, number)] == number
        for item in retry.take(letter)
    )
    if sink is None:
        yield from (item for _, item in tried)
    else:
        while some := list(islice(tried, _LOOKED_UP_AT_ONCE)):
            yield from _not_stored_since(some, sink, skipped)
    yield from retry.read_files()  # as they are now, and so never older than what is stored


def _not_stored_since(
    tried: Sequence[tuple[Rejected, Record | Rejected]], sink: Sink, skipped: Skipped
) -> Iterator[Record | Rejected]:
    """The records that are as they were when their letters were written, or not stored."""
    firsts = {item.key: sink.id_of(item.key, 0) for _, item in tried if isinstance(item, Record)}
    stored = sink.lookup(list(firsts.values())) if firsts else {}
    for letter, item in tried:
        now = stored.get(firsts.get(item.key or "", ""))
        if isinstance(item, Rejected) or now is None or now.record_hash == letter.stored:
            yield item
        elif letter.stored is not None and letter.key == item.key:
            skipped.add(item.source_id, STORED_SINCE)
        else:
            problem = f"{item.place}: {item.source_id!r} is stored, and its dead letter does not tell since when"
            yield replace(letter, reason=f"{problem}. Run again what it came from, or delete the line")


def _letters(path: Path, size: int) -> Iterator[tuple[int, Rejected]]:
    """The lines in the first ``size`` bytes; more may be appended during the reading."""
    with path.open("rb") as stream:
        lines = Lines(stream, most_bytes=size)
        for number, content in lines:
            line = (content or b"").decode(lines.encoding, "replace")
            if line.strip():
                yield number, _letter(line, f"{path}:{number}")


def _letter(line: str, place: str) -> Rejected:
    try:
        return letter_of(line)
    except NotALetterError as error:
        return Rejected(f"{place}: {error}", place, record={"dead_letter": line})


def _key(letter: Rejected, number: int) -> tuple[str | None, str | int]:
    return letter.source_id, letter.place or ("" if letter.source_id else number)


class _Retry:
    def __init__(self, settings: ReaderSettings) -> None:
        self._settings = settings
        self._folders: dict[str, Scope] = {}
        self._files: dict[SourceFile, set[int] | None] = {}  # the lines to read again; None for the whole file

    def take(self, letter: Rejected) -> Iterator[Record | Rejected]:
        """Try a dead letter again, or list its file for later."""
        record = letter.record if isinstance(letter.record, dict) else {}
        match record:
            case {"dead_letter": str(line)}:
                mended = _letter(line, letter.place)
                yield from [mended] if mended.record == record else self.take(mended)
            case {"path": str(path), "folder": str(inside)}:
                self._folders[path] = Scope(letter.source_name, path=inside)
            case {"path": str(path), "name": str(name)} if record.keys() <= _WHERE:
                self._list(SourceFile(Path(path), name, AUTO, letter.source_name), record.get("number"))
            case {"path": str(path), "name": str(name), "number": int(number)}:
                parsed = self._parse(record, Origin(name, path, number), letter)
                stdin = path == name == "stdin"
                yield located(parsed, SourceFile(Path(path), name, AUTO, letter.source_name, is_stdin=stdin))
            case _:
                yield _record(letter)

    def read_files(self) -> Iterator[Record | Rejected]:
        """Read the files on the list, each once."""
        finder = SourceFinder(self._settings)
        with closing(FileReader(self._settings)) as reader:
            yield from self._read_with(reader, finder)

    def _read_with(self, reader: FileReader, finder: SourceFinder) -> Iterator[Record | Rejected]:
        for path, scope in self._folders.items():
            for found in finder.find(Path(path), scope):
                yield from reader.read(found) if isinstance(found, SourceFile) else [found]
        for listed, numbers in self._files.items():
            items = reader.read(finder.named(listed.path, listed.name, listed.source_name))
            yield from items if numbers is None else _lines(items, str(listed.path), numbers)

    def _list(self, file: SourceFile, number: JSON) -> None:
        numbers = self._files.setdefault(file, set())
        if not isinstance(number, int):
            self._files[file] = None
        elif numbers is not None:
            numbers.add(number)

    def _parse(self, raw: dict[str, JSON], origin: Origin, letter: Rejected) -> Record | Rejected:
        try:
            if isinstance(fields := raw.get("fields"), dict):
                found = record_of_values(fields, origin, self._settings)
            else:
                found = record_of_rejected(raw, origin, self._settings) or _record(letter)
        except RecordError as error:
            found = replace(letter, reason=str(error), chunk_index=None)
        if isinstance(found, Rejected) and letter.reason.startswith(found.reason.removesuffix(NO_GUESS)):
            return replace(found, reason=letter.reason)  # with the guess that was made from the whole file
        return found


def _record(letter: Rejected) -> Record | Rejected:
    """The record that a dead letter holds."""
    match letter.record:
        case {"id": str(source_id), "text": str(text), "metadata": dict(metadata), **rest}:
            try:
                return Record(
                    *(source_id, text, metadata),
                    syntax=str(rest.get("syntax", "text")),
                    source_name=letter.source_name,
                    file=str(rest.get("file", "")),
                    path=str(rest.get("path", "")),
                    place=letter.place,
                    left_out=_left_out(rest.get("left_out")),
                )
            except RecordError as error:
                reason = str(error)
        case _:
            found = "nothing to try again" if letter.record is None else "no record with id, text and metadata"
            reason = f"{letter.place}: {found}. Run again what it came from"
    return replace(letter, reason=reason, chunk_index=None)


def _left_out(value: object) -> Sequence[LeftOut] | None:
    """The parts that a dead letter says are left out of its record's file; None for what does not say so."""
    found: list[LeftOut] = []
    for part in value if isinstance(value, list) else [None]:
        match part:
            case [int(at), int(characters), int(lines)]:
                found.append(LeftOut(at, characters, lines))
            case _:
                return None
    return found


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

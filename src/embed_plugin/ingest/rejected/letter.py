"""Dead letters: the lines of a dead-letter file, each a rejected record or chunk as a JSON object."""

from __future__ import annotations

import json
from itertools import islice
from typing import TYPE_CHECKING, cast

from embed_plugin.ingest.read.json_values import integer
from embed_plugin.ingest.records import Rejected, sha256

if TYPE_CHECKING:
    from embed_plugin.ingest.read.source_files import SourceFile
    from embed_plugin.ingest.records import JSON, Record

_NEEDED = {"source", "chunk", "place", "reason", "record"}
_OPTIONAL = {"source_name", "stored"}
_LOOKED_AT = 3
"""Lines of which one is a letter, if a file holds letters: the first may be half of one, of a run that was killed."""


class NotALetterError(ValueError):
    """A line is no dead letter; the message says what is wrong with it."""


def line_of(rejected: Rejected) -> bytes:
    """The line of a dead-letter file, in ASCII, with its line break."""
    letter = {
        "source_name": rejected.source_name,
        "source": rejected.source_id,
        "chunk": rejected.chunk_index,
        "stored": rejected.stored,
        "place": rejected.place,
        "reason": rejected.reason,
        "record": rejected.record,
    }
    return json.dumps(letter).encode("ascii") + b"\n"


def begins_with_letters(head: bytes) -> bool:
    """Return whether a file is a dead-letter file, by the keys of its first lines.

    Args:
        head: Its first bytes; the last line may be cut off.
    """
    lines = (line for line in head.removeprefix(b"\xef\xbb\xbf").splitlines() if line.strip())
    return any(map(_is_letter, islice(lines, _LOOKED_AT)))


def _is_letter(line: bytes) -> bool:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        # A letter that is cut off, as its record may be long: the keys stand in one order, the record last.
        begins = line.startswith((b'{"source_name": ', b'{"source": '))
        return begins and all(f'"{key}": '.encode() in line for key in _NEEDED)
    return isinstance(value, dict) and _NEEDED <= value.keys() <= _NEEDED | _OPTIONAL


def letter_of(line: str) -> Rejected:
    """Read a line of a dead-letter file.

    Raises:
        NotALetterError: it is none; the message says why and what to do.
    """
    try:
        match json.loads(line, parse_int=integer):
            case {
                "source": str() | None as source,
                "place": str(about),
                "reason": str(reason),
                "record": record,
                **rest,
            }:
                stored, name = rest.get("stored"), str(rest.get("source_name", ""))
                known = stored if isinstance(stored, str) else None
                return Rejected(reason, about, source, record=cast("JSON", record), source_name=name, stored=known)
    except (ValueError, RecursionError) as error:
        problem = "half a line, of a run that was killed. Run that again, and delete this line"
        if line.endswith("\n"):
            problem = "not JSON. Mend it, or delete the line and run again what it came from"
        raise NotALetterError(problem) from error
    raise NotALetterError("no dead letter (source, place, reason, record). Mend it, or delete the line")


def keys_of_letter(letter: Rejected) -> list[str]:
    """The keys of what a letter is about, the surest first: its record's id, its line in a file, its content.

    A file is named as in its source, so that the key is the same from every working folder. The lines of stdin are
    another time others.
    """
    keys = [] if letter.key is None else [f"id {letter.key}"]
    match letter.record:
        case {"path": "stdin", "name": "stdin"}:
            pass
        case {"name": str(name), **rest}:
            keys.append(_place_key(letter.source_name, name, rest.get("number")))
    content = json.dumps([letter.source_name, letter.place, letter.reason, letter.record])
    return [*keys, f"content {sha256(content)}"]


def settling_keys(letter: Rejected) -> list[str]:
    """The keys of which one settles a letter: the surest, and its file or folder, unless it was refused when stored."""
    match letter.record:
        case {"path": "stdin", "name": "stdin"}:
            files = []
        case {"folder": str()}:
            files = [_folder_key(letter.source_name, letter.place)]
        case {"name": str(name)}:
            files = [_file_key(letter.source_name, name)]
        case _:
            files = []
    return [*keys_of_letter(letter)[:1], *files]


def keys_of_record(record: Record) -> list[str]:
    """The keys of the letters that are settled when a record is stored: about it or its line."""
    keys = [f"id {record.key}"]
    number = record.place.rpartition(":")[2]
    if record.file:
        keys.append(_place_key(record.source_name, record.file, int(number) if number.isdecimal() else None))
    return keys


def keys_of_file(file: SourceFile) -> list[str]:
    """The keys of the letters that are settled when a file is read to its end: about it or a folder around it."""
    folders = [_folder_key(file.source_name, str(folder)) for folder in file.path.parents]
    return [_file_key(file.source_name, file.name), *folders]


def _file_key(source_name: str, file: str) -> str:
    return f"file {source_name}\0{file}"


def _folder_key(source_name: str, place: str) -> str:
    return f"folder {source_name}\0{place}"


def _place_key(source_name: str, file: str, number: object) -> str:
    return f"place {source_name}\0{file}\0{number}"

"""Reports of what is stored: lists of collections, sources and records, and the state of a collection."""

from __future__ import annotations

import json
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.cli.printable import count_of, printable
from embed_plugin.cli.reports.output import print_facts
from embed_plugin.errors import OutputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from typing import TextIO

    from embed_plugin.ingest import CollectionEntry, CollectionStatus, Contents
    from embed_plugin.ingest.upkeep.status import SourceStatus, VectorStatus

_SHOWN_DIGITS = 12
_UNNAMED = "(no name)"


def print_collections(found: Sequence[CollectionEntry], target: str) -> None:
    """Print a line for each collection of a target."""
    if not found:
        _print(f"{printable(target)} has no collections.")
        return
    print_facts({one.name: _collection_line(one) for one in found})


def print_contents(contents: Contents, roots: Mapping[str, str]) -> None:
    """Print the records of each source, with the number of chunks before each.

    Args:
        contents: The records.
        roots: The root of each source, by its name.
    """
    heads = {one.source: one for one in contents.sources()}
    shown = None
    for record in contents.records():
        if record.source != shown:
            shown, head = record.source, heads[record.source]
            root = f", from {roots[shown]}" if roots.get(shown) else ""
            amount = f"{count_of(head.records, 'record')}, {count_of(head.chunks, 'chunk')}{root}"
            _print(printable(f"{shown or _UNNAMED}: {amount}"))
        lacking = "" if record.chunks == record.expected else f"  (of {record.expected:,}: embed-plugin verify)"
        _print(f"{record.chunks:>8,}  {printable(record.record)}{lacking}")
    if shown is None:
        _print("No records.")
    for number, what in ((contents.foreign, "of another program"), (contents.unknown, "without a record")):
        if number:
            _print(f"besides, {count_of(number, 'point')} {what}")


def write_contents(contents: Contents, head: Mapping[str, object], roots: Mapping[str, str], target: str) -> None:
    """Write the records as JSON to a file, or to stdout for ``-``, one at a time.

    Args:
        contents: The records.
        head: Facts that come first.
        roots: The root of each source, by its name.
        target: The file.

    Raises:
        OutputError: the file cannot be written.
    """
    facts = {
        **head,
        "points": contents.points,
        "foreign_points": contents.foreign,
        "unknown_points": contents.unknown,
        "sources": [{**one._asdict(), "root": roots.get(one.source, "")} for one in contents.sources()],
    }
    with _opened(target) as stream:
        escapes = (stream.encoding or "").lower().replace("-", "") != "utf8"
        stream.write(json.dumps(facts, indent=2, ensure_ascii=escapes).removesuffix("\n}") + ',\n  "records": [')
        for number, record in enumerate(contents.records()):
            line = json.dumps(record._asdict(), ensure_ascii=escapes)
            stream.write(f"{',' if number else ''}\n    {line}")
        stream.write("\n  ]\n}\n")


def status_facts(found: CollectionStatus) -> dict[str, object]:
    """The facts of a collection to print, by name."""
    facts: dict[str, object] = {"collection": found.collection, "in": found.target}
    facts |= {"aliases": ", ".join(found.aliases)} if found.aliases else {}
    facts |= {"made by": found.origin, "points": f"{found.points:,}", "records": f"{found.records:,}"}
    facts |= {f"source {one.name or _UNNAMED}": _source_line(one) for one in found.sources}
    facts |= {"points of another program": f"{found.foreign_points:,}"} if found.foreign_points else {}
    facts |= {"points without a record": f"{found.unknown_points:,}"} if found.unknown_points else {}
    facts |= {f"{one.kind} vectors{f' {one.name!r}' if one.name else ''}": _vector_line(one) for one in found.vectors}
    if found.layout:
        facts |= {"layout": found.layout, "context in text": found.context}
    facts["characters of a chunk"] = f"{found.mean_characters:,.0f} on average, {found.longest_characters:,} at most"
    if found.superseded:
        facts["replaced vectors"] = f"{', '.join(found.superseded)}: embed-plugin migrate --drop-old removes them"
    size = found.bytes_on_disk
    facts["size on disk"] = "not known: it is not on this machine" if size is None else f"{size / 1e3:,.0f} kB"
    return {**facts, "under way": "; ".join(_under_way(found)) or "nothing"}


def _under_way(found: CollectionStatus) -> Iterator[str]:
    if found.migrating_to:
        others = f", with {', '.join(found.migrating_others)}" if found.migrating_others else ""
        space = found.migrating_to[:_SHOWN_DIGITS]
        yield f"a migration to {space}{others}: run embed-plugin migrate again to finish it"
    if found.bulk_load:
        yield "a bulk load: the next ingest ends it if it was stopped"


def _collection_line(one: CollectionEntry) -> str:
    amount = f"{one.points:,} points" if one.points is not None else f"not counted ({one.problem})"
    made_by = f"{one.origin}, space {one.fingerprint[:_SHOWN_DIGITS]}" if one.fingerprint else one.origin
    alias = f", alias {', '.join(one.aliases)}" if one.aliases else ""
    return f"{amount}, dimension {one.dimension or 'unknown'}, made by {made_by}{alias}"


def _source_line(one: SourceStatus) -> str:
    root = f", from {one.root}" if one.root else ""
    return f"{count_of(one.records, 'record')}, {count_of(one.chunks, 'chunk')}{root}"


def _vector_line(one: VectorStatus) -> str:
    """Return the model, or the settings, and the shape."""
    made = [f"model {one.model or 'not among the prepared ones'}, space {one.fingerprint}"] if one.fingerprint else []
    made += [f"{name} {value}" for name, value in one.settings.items()]
    shape = [f"dimension {one.dimension}"] if one.dimension else []
    return ", ".join([*shape, *filter(None, (one.distance, one.datatype)), *made]) or "of unknown settings"


@contextmanager
def _opened(target: str) -> Iterator[TextIO]:
    if target == "-":
        yield sys.stdout
        return
    try:
        with Path(target).open("w", encoding="utf-8") as stream:
            yield stream
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror}): choose another --json") from error


def _print(line: str) -> None:
    print(line)  # noqa: T201 - the command's output

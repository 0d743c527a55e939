"""Starts ingest runs that a test kills: ``killable_run.py MODEL TARGET LOG [german | [migrate | copy] SPARSE LATE]``.

Each line on stdin is a version of the source. With ``german``, texts have sparse vectors of that language too; with two
more model folders, sparse and token vectors of those. With ``migrate`` before them a run moves the
collection to those models, with ``copy`` into another one.

Each run is a process of its own, forked from this one so that it does not import everything anew. Its process id is
written to stdout when it starts, and its exit status when it has ended. Every text that is embedded is logged first.
"""

from __future__ import annotations

import hashlib
import os
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin import Encoder, LateInteractionEncoder, SparseEncoder
from embed_plugin.encode.runtime import Runtime
from embed_plugin.ingest import CollectionSettings, IngestSettings, Record, ingest, migrate, open_sink

if TYPE_CHECKING:
    from collections.abc import Iterator
    from concurrent.futures import Future

    from embed_plugin import Vectors
    from embed_plugin.types import TokenisedTexts

RECORDS = 250
PREFIX = "{title|none} | "
SPARSE_GERMAN = CollectionSettings(sparse="bm25", sparse_language="german", bm25_mean_words=16)
SETTINGS = IngestSettings(chunk_tokens=16, window_records=8, mirror=True, max_delete=1)
MOVES = ("migrate", "copy")


class LoggingRuntime(Runtime):
    """Writes a hash of each text's tokens to a file before it embeds it."""

    log: Path

    def submit(
        self, tokenised: TokenisedTexts, *, is_part: bool = False, into: Vectors | None = None
    ) -> Future[Vectors]:
        lines = "".join(f"{hashlib.sha256(ids.tobytes()).hexdigest()}\n" for ids in tokenised.ids)
        file = os.open(self.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        os.write(file, lines.encode())  # one call, which a kill does not tear
        os.close(file)
        return super().submit(tokenised, is_part=is_part, into=into)


class LoggingEncoder(Encoder):
    """An encoder with that runtime."""

    runtime_class = LoggingRuntime


def records(version: int) -> Iterator[Record]:
    """The source at a version: records of 0 to 6 chunks, of which a fifth are others, or gone, with each version."""
    for number in range(RECORDS):
        changes = [_draw(number, past).random() < 0.2 for past in range(1, version + 1)]
        draw = _draw(number, -sum(changes))
        if draw.random() < 0.95:
            words = [f"{draw.choice('abcdefg')}{draw.randrange(100)}" for _ in range(draw.randrange(40))]
            title = {"title": f"{number % 3} {sum(changes)}"} if number % 2 else {}  # which fills the document prefix
            yield Record(f"record {number}", " ".join(words), {"version": sum(changes), **title})


def _draw(*seed: int) -> random.Random:
    return random.Random(repr(seed))  # noqa: S311 - words and lengths


def settings_of(*others: str) -> CollectionSettings:
    """The collection's settings; models are loaded in the process that uses them."""
    if "german" in others:
        return SPARSE_GERMAN
    folders = [one for one in others if one and one not in MOVES]
    if not folders:
        return CollectionSettings()
    sparse, late = folders
    return CollectionSettings(sparse=SparseEncoder.load(sparse), late=LateInteractionEncoder.load(late))


def run(model: Path, target: str, log: Path, version: int, new: CollectionSettings) -> None:
    """Ingest a version of the source, into a collection with these settings."""
    encoder = _logging_encoder(model, log)
    with open_sink(target, "killed", settings=new) as sink:
        ingest(records(version), encoder, sink, settings=SETTINGS)


def move(model: Path, target: str, log: Path, new: CollectionSettings, into: str | None) -> None:
    """Move the collection to these models, or copy it."""
    with open_sink(target, "killed", settings=new) as sink:
        migrate(_logging_encoder(model, log), sink, into=into)


def _logging_encoder(model: Path, log: Path) -> Encoder:
    encoder = LoggingEncoder.load(model, document_prefix=PREFIX)
    assert isinstance(encoder.runtime, LoggingRuntime)
    encoder.runtime.log = log
    return encoder


def main() -> None:
    """Fork a run for each line on stdin."""
    model, target, log = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            new, kind = settings_of(*sys.argv[4:]), "".join(sys.argv[4:5])
            if kind in MOVES:
                move(model, target, log, new, "copy" if kind == "copy" else None)
            else:
                run(model, target, log, int(line), new)
            os._exit(0)
        _say(child)
        _say(os.waitpid(child, 0)[1])


def _say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()

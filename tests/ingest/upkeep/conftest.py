from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import Record, StoredCollections, ingest
from embed_plugin.testing import FakeEncoder
from support.every_target import KINDS, open_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDS = [
    *(Record(f"r{number}", f"text {number}", source_name="a") for number in range(3)),
    Record("long", "word " * 200, source_name="a"),
    Record("r1", "another text", source_name="b"),
]


@pytest.fixture(params=KINDS)
def stored(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[StoredCollections]:
    """The collections of each kind of target: "notes", with five records of two sources."""
    with open_kind(request.param, tmp_path) as sink:
        sink.prepare(FakeEncoder(), sources={"a": "/roots/a", "b": "/roots/b"})
        ingest(RECORDS, FakeEncoder(), sink)
        yield StoredCollections(sink._backend)

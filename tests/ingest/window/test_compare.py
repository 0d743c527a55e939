from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import IngestSettings, QdrantSink, Record, ingest, open_sink
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

LONG = [" ".join(f"word{number}" for number in range(start, start + 8)) for start in (0, 8, 16)]


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        yield opened


def status(sink: QdrantSink, record: Record, **settings: int) -> tuple[str, int, int]:
    """The status of a record, its chunks that keep their vectors, and those with other metadata."""
    summary = ingest([record], FakeEncoder(max_tokens=12), sink, settings=IngestSettings(**settings))  # type: ignore[arg-type]
    (found,) = summary.sources
    reused = summary.chunks - summary.embedded - summary.kept - summary.metadata_only - summary.unchanged
    assert summary.reused == reused
    return found, summary.kept, summary.metadata_only


@pytest.mark.parametrize(
    "edited",
    ["\n\n\n".join(LONG), "\n\n".join(LONG) + "\n", "\n\n".join(LONG[:2]), "\n\n".join([LONG[1], LONG[0], LONG[2]])],
)
def test_an_edit_of_the_text_is_a_change_also_if_every_chunk_is_known(sink: QdrantSink, edited: str) -> None:
    assert status(sink, Record("a", "\n\n".join(LONG))) == ("new", 0, 0)
    changed, kept, metadata_only = status(sink, Record("a", edited))
    assert (changed, kept > 0, metadata_only) == ("changed", True, 0)
    assert status(sink, Record("a", edited)) == ("unchanged", 0, 0)


def test_other_metadata_is_no_change_of_the_text(sink: QdrantSink) -> None:
    status(sink, Record("a", "\n\n".join(LONG)))
    assert status(sink, Record("a", "\n\n".join(LONG), {"n": 1})) == ("metadata_only", 0, 3)


def test_other_metadata_and_another_text_are_a_change(sink: QdrantSink) -> None:
    status(sink, Record("a", "\n\n".join(LONG)))
    assert status(sink, Record("a", "\n\n".join(LONG[:2]), {"n": 1})) == ("changed", 2, 0)

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import Record, ingest, open_sink, parse_condition, reasons_for_nothing
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest import QdrantSink

ENCODER = FakeEncoder()
RECORDS = [
    Record("a", "one", {"year": "2019", "of": {"n": 1}, "tags": ["p", "q"]}),
    Record("b", "two", {"size": 3}, source_name="notes"),
]


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        ingest(RECORDS, ENCODER, opened)
        yield opened


@pytest.mark.parametrize(
    ("form", "reason"),
    [
        (
            "yaer = 1",
            "no chunk has the field yaer (fields, of some: chunk, end, of, record_id, size, start, tags, year;",
        ),
        ("year >= 2000", "year has values such as '2019', which are texts: numbers of CSV are stored"),
        ("size >= 4", "the field size has values such as 3"),
        ("metadata.size = 4", "the field metadata.size has values such as 3"),
        ("of.n = 4", "the field of.n has values such as 1"),
        ("tags = r", "the field tags has values such as 'p', 'q'"),
        ("record = c", "the field record has values such as 'a', 'b'"),
        ("source = other", "'notes'"),
    ],
)
def test_each_condition_is_told_what_the_field_has(sink: QdrantSink, form: str, reason: str) -> None:
    (found,) = reasons_for_nothing("one", ENCODER, sink, filter=[parse_condition(form)])
    assert reason in found
    assert ("which are texts" in found) == (form == "year >= 2000")


def test_an_empty_collection_is_said_whatever_the_filter(sink: QdrantSink) -> None:
    sink.delete([chunk.id for page in sink.scan() for chunk in page])
    assert reasons_for_nothing("one", ENCODER, sink, filter=[]) == ["the collection is empty"]

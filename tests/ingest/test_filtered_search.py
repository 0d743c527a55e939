"""A filter finds the same points in every kind of target and in every layout."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import CollectionSettings, Condition, Fusion, Record, ingest, parse_condition, search
from embed_plugin.testing import FakeEncoder
from ingest.stores.qdrant.test_sink import open_with  # noqa: F401 - a fixture

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.ingest import QdrantSink
    from embed_plugin.ingest.stores.payload_layout import LayoutName

ENCODER = FakeEncoder()
RECORDS = [
    Record(
        "a", "the first fox", {"year": 2019, "lang": "de", "day": "2024-05-31", "draft": True, "of": {"who": "x y"}}
    ),
    Record("b", "the second fox", {"year": 2020, "lang": "en", "day": "2024-06-01T10:00:00Z", "tags": ["p", "q"]}),
    Record("c", "the third fox", {"year": 2021.5, "lang": "fr", "zip": "007", "full name": "n", "source": "own"}),
    Record(
        "d",
        "the fourth fox",
        {"year": "2020", "n": 2**53 + 1, "draft": False, "one": 1, "größe": 3, "a.b-c d": "x"},
        source_name="notes",
    ),
]
FOUND = {
    "year = 2020": "bd",
    'year = "2020"': "d",
    "year != 2020": "ac",
    "year >= 2020": "bc",
    "year > 2020": "c",
    "year <= 2020": "ab",
    "year < 2019.5": "a",
    "lang:any(de,fr)": "ac",
    "lang = de": "a",
    "lang != de": "bc",
    "day >= 2024-06-01": "b",
    "day = 2024-05-31T00:00:00Z": "a",
    "day < 2024-06-01T12:00+02:00": "a",
    "draft = true": "a",
    "draft != true": "d",
    "one:any(true,1)": "d",
    "größe >= 3": "d",
    '"a.b-c d" != y': "d",
    "a.b-c = x": "",
    'of.who = "x y"': "a",
    "tags = q": "b",
    "tags != q": "",
    "zip = 007": "c",
    'metadata."full name" = n': "c",
    "n = 9007199254740993": "d",
    "n = 9007199254740992": "",
    "record = b": "b",
    "source = notes": "d",
    "metadata.source = own": "c",
    "nowhere != 1": "",
}


@pytest.fixture(params=["plain", "langchain", "llama-index"])
def sink(request: pytest.FixtureRequest, open_with: Callable[..., QdrantSink]) -> QdrantSink:  # noqa: F811
    layout: LayoutName = request.param
    opened = open_with(CollectionSettings(layout=layout, sparse="bm25"))
    ingest(RECORDS, ENCODER, opened)
    return opened


def found(sink: QdrantSink, *forms: str, hybrid: bool | Fusion = False) -> str:
    hits = search("fox", ENCODER, sink, filter=list(map(parse_condition, forms)), hybrid=hybrid)
    return "".join(sorted(hit.source_id for hit in hits))


def test_each_form_finds_the_points_that_fulfil_it(sink: QdrantSink) -> None:
    assert {form: found(sink, form) for form in FOUND} == FOUND


@pytest.mark.parametrize("weights", [None, (1, 2)])
def test_every_ranking_of_a_hybrid_search_has_only_those_points(
    sink: QdrantSink, weights: tuple[float, ...] | None
) -> None:
    hybrid = True if weights is None else Fusion(weights=weights)
    some = ["year >= 2020", "lang:any(en,fr)", "year != 2020", "nowhere = 1", "year = 2020"]
    assert [found(sink, form, hybrid=hybrid) for form in some] == ["bc", "bc", "ac", "", "bd"]


def test_conditions_are_joined_by_and(sink: QdrantSink) -> None:
    assert found(sink, "year >= 2019", "year < 2021", "lang != de") == "b"


def test_a_filter_that_is_no_list_of_conditions_is_refused(sink: QdrantSink) -> None:
    with pytest.raises(InvalidInputError, match="parse_condition"):
        search("fox", ENCODER, sink, filter="year >= 2020")  # type: ignore[arg-type] # the mistake


def test_the_limit_counts_those_that_fulfil_it(sink: QdrantSink) -> None:
    (best, *_), only = search("the first fox", ENCODER, sink), Condition(("lang",), "!=", ("de",))
    assert best.source_id == "a"
    assert [hit.source_id for hit in search("the first fox", ENCODER, sink, limit=1, filter=[only])] != ["a"]
    assert len(search("the first fox", ENCODER, sink, limit=2, filter=[only])) == 2

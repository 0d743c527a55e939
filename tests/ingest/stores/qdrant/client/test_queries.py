from __future__ import annotations

from datetime import UTC, datetime

import pytest
from qdrant_client import models

from embed_plugin.errors import TargetError
from embed_plugin.ingest import Condition, parse_condition
from embed_plugin.ingest.stores.qdrant.client.queries import naming_indexes, rest_filter

YEAR = Condition(("metadata", "year"), "=", (2020, "2020"))
NUMBER = models.FieldCondition(key="metadata.year", range=models.Range(gte=2020, lte=2020))
TEXT = models.FieldCondition(key="metadata.year", match=models.MatchValue(value="2020"))


def test_a_value_is_asked_for_in_each_of_its_meanings() -> None:
    assert rest_filter([YEAR], None) == models.Filter(must=[models.Filter(should=[NUMBER, TEXT])])


@pytest.mark.parametrize(("kind", "asked"), [("integer", NUMBER), ("float", NUMBER), ("keyword", TEXT)])
def test_an_index_that_is_needed_decides_the_meaning(kind: str, asked: models.FieldCondition) -> None:
    assert rest_filter([YEAR], {"metadata.year": kind}) == models.Filter(must=[asked])


@pytest.mark.parametrize("indexes", [{}, {"metadata.year": "geo"}])
def test_without_an_index_of_its_kind_all_is_asked_for(indexes: dict[str, str]) -> None:
    assert rest_filter([YEAR], indexes) == rest_filter([YEAR], None)


def test_another_value_is_asked_for_where_the_field_is_there() -> None:
    there = models.IsEmptyCondition(is_empty=models.PayloadField(key='a."b c"'))
    equal = models.FieldCondition(key='a."b c"', match=models.MatchValue(value="x"))
    asked = Condition(("a", "b c"), "!=", ("x",))
    assert rest_filter([asked], None) == models.Filter(must_not=[there, equal])
    assert rest_filter([asked.field_there], None) == models.Filter(must_not=[there])


def test_a_date_is_compared_as_one() -> None:
    expected = models.DatetimeRange(lt=datetime(2024, 5, 31, tzinfo=UTC))
    asked = rest_filter([parse_condition("day < 2024-05-31")], None)
    assert asked == models.Filter(must=[models.FieldCondition(key="day", range=expected)])


@pytest.mark.parametrize(("conditions", "reason"), [([], "Index required"), ([YEAR], "no route")])
def test_other_refusals_stay_as_they_are(conditions: list[Condition], reason: str) -> None:
    with pytest.raises(TargetError) as found, naming_indexes(conditions):
        raise TargetError(reason)
    assert str(found.value) == reason

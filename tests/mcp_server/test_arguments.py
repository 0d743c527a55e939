from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.errors import InvalidInputError
from embed_plugin.mcp.arguments import Argument, check_arguments, schema_of

QUERY = Argument("query", "string", "What to look for.", required=True)
LIMIT = Argument("limit", "integer", "Most.", default=5, least=1, most=50)
CHUNK = Argument("chunk", "integer", "Which.", least=0)
PLACE = Argument("place", "string", "Where.", choices=("here", "there"))
FILTER = Argument("filter", "strings", "Conditions.")
EVERY = (QUERY, LIMIT, CHUNK, PLACE, FILTER)


def test_what_is_left_out_has_its_default_or_is_absent() -> None:
    assert check_arguments(EVERY, {"query": "a cat", "chunk": None}) == {"query": "a cat", "limit": 5}


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "query is missing, expected a text that is not empty"),
        ({"query": " "}, "query is ' ', expected a text"),
        ({"query": 5}, "query is 5, expected a text"),
        ({"query": "a", "limit": 0}, "limit is 0, expected 1 to 50"),
        ({"query": "a", "limit": True}, "limit is True, expected 1 to 50"),
        ({"query": "a", "limit": "5"}, "limit is '5', expected 1 to 50"),
        ({"query": "a", "limit": 1.5}, "limit is 1.5, expected 1 to 50"),
        ({"query": "a", "limit": float("inf")}, "limit is inf, expected 1 to 50"),
        ({"query": "a", "chunk": -1}, "chunk is -1, expected a whole number from 0 on"),
        ({"query": "a", "place": "nowhere"}, "place is 'nowhere', expected one of: here, there"),
        ({"query": "a", "filter": "b"}, "filter is 'b', expected a list of texts"),
        ({"query": "a", "filter": ["b", " "]}, "filter is ['b', ' '], expected a list of texts"),
        ({"query": "a", "querry": "b"}, "unknown argument querry, expected query, limit, chunk, place, filter"),
    ],
)
def test_wrong_arguments_are_named_with_what_is_expected(wrong: dict[str, object], message: str) -> None:
    with pytest.raises(InvalidInputError) as error:
        check_arguments(EVERY, wrong)
    assert str(error.value).startswith(message)


def test_a_whole_number_may_be_written_as_a_float() -> None:
    assert check_arguments((LIMIT,), {"limit": 7.0}) == {"limit": 7}


def test_the_schema_says_what_is_checked() -> None:
    schema = schema_of(EVERY)
    assert (schema["required"], schema["additionalProperties"]) == (["query"], False)
    limit = {"type": "integer", "description": "Most.", "default": 5, "minimum": 1, "maximum": 50}
    assert schema["properties"]["limit"] == limit
    assert schema["properties"]["place"]["enum"] == ["here", "there"]
    assert schema["properties"]["chunk"]["minimum"] == 0
    assert schema["properties"]["filter"]["items"] == {"type": "string", "minLength": 1}


def test_a_list_of_texts_is_taken() -> None:
    assert check_arguments((FILTER,), {"filter": ["a = b", "c"]}) == {"filter": ("a = b", "c")}


@given(st.none() | st.booleans() | st.floats() | st.integers() | st.text() | st.lists(st.integers()))
def test_any_json_gives_a_value_in_range_or_a_message(value: object) -> None:
    try:
        found = check_arguments((LIMIT,), {"limit": value})
    except InvalidInputError as error:
        assert "expected 1 to 50" in str(error)  # noqa: PT017 - it may pass too
    else:
        assert found["limit"] in range(1, 51)

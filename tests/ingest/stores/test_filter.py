from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, cast

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import Condition, parse_condition
from embed_plugin.ingest.stores.filter import checked_conditions

if TYPE_CHECKING:
    from embed_plugin.ingest.stores.filter import Operator

OPERATORS: list[Operator] = ["=", "!=", ">=", "<=", ">", "<"]
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
KEYS = st.text(st.characters(exclude_characters='"\0', exclude_categories=["Cs"]), min_size=1)
PARTS = [
    "a",
    "b.c",
    ".",
    " ",
    ":any",
    "(",
    ")",
    ",",
    *OPERATORS,
    '"',
    "\\",
    "1",
    "-",
    "e5",
    "true",
    "2024-01-01",
    "T10:00",
    "Z",
]
LIKE_FORMS = st.lists(st.sampled_from(PARTS), max_size=12).map("".join)
MAY = datetime(2024, 5, 31, tzinfo=UTC)


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


@pytest.mark.parametrize(
    ("form", "condition"),
    [
        ("lang = de", Condition(("lang",), "=", ("de",))),
        ("lang!=de", Condition(("lang",), "!=", ("de",))),
        ("year >= 2020", Condition(("year",), ">=", (2020,))),
        ("price<1.5", Condition(("price",), "<", (1.5,))),
        ("zip = 007", Condition(("zip",), "=", (7, "007"))),
        ("draft = false", Condition(("draft",), "=", (False, "false"))),
        ('lang:any(de, 7 ,"a, b")', Condition(("lang",), "=", ("de", 7, "7", "a, b"))),
        ('author."full name" = "two words"', Condition(("author", "full name"), "=", ("two words",))),
        ("day > 2024-05-31", Condition(("day",), ">", (MAY,))),
        ('day > "2024-05-31 00:00"', Condition(("day",), ">", (MAY,))),
        ("day = 2024-05-31T02:00:00+02:00", Condition(("day",), "=", (MAY, "2024-05-31T02:00:00+02:00"))),
        ("day = 2024-02-30", Condition(("day",), "=", ("2024-02-30",))),
        ("n = 9223372036854775808", Condition(("n",), "=", (2.0**63, "9223372036854775808"))),
        ("n = 1e999", Condition(("n",), "=", ("1e999",))),
    ],
)
def test_a_form_is_read(form: str, condition: Condition) -> None:
    found = parse_condition(form)
    assert found == condition
    assert list(map(type, found.values)) == list(map(type, condition.values))


BAD_FORMS = """
|year|= 5|year >=|year == 5|year =< 5|year > new|year > "5"|a b = c|a = b c|a = "b
a:any()|a:any(b,)|a:any(b|a:any b|a..b = c|a[0] = b|a = caf\udce9|day > 2024-13-01
"""


@pytest.mark.parametrize("form", [form for line in BAD_FORMS.splitlines()[1:] for form in line.split("|")])
def test_a_bad_form_is_named(form: str) -> None:
    with pytest.raises(InvalidInputError) as refused:
        parse_condition(form)
    assert f"the filter {form!r} cannot be read" in str(refused.value)
    assert "expected KEY OP VALUE" in str(refused.value)


@given(st.lists(KEYS, min_size=1), st.sampled_from(["=", "!="]), TEXTS)
def test_any_keys_and_text_in_quotes_are_read_as_they_are(keys: list[str], operator: Operator, text: str) -> None:
    form = f"{'.'.join(map(quoted_key, keys))} {operator} {quoted(text)}"
    assert parse_condition(form) == Condition(tuple(keys), operator, (text,))


@given(st.lists(TEXTS, min_size=1, unique=True))
def test_any_texts_are_read_from_a_list(texts: list[str]) -> None:
    assert parse_condition(f"a:any({','.join(map(quoted, texts))})") == Condition(("a",), "=", tuple(texts))


@given(
    st.sampled_from(OPERATORS[2:]), st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
)
@example(">", -(2**63))
@example(">", 2**63 - 1)
def test_any_number_is_read_with_its_type(operator: Operator, number: float) -> None:
    (found,) = parse_condition(f"a {operator} {number!r}").values
    assert (type(found), found) == (type(number), number)


@given(st.datetimes(timezones=st.just(UTC)), st.sampled_from(OPERATORS[2:]))
def test_any_date_is_read_in_utc(date: datetime, operator: Operator) -> None:
    assert parse_condition(f"a {operator} {date.isoformat()}") == Condition(("a",), operator, (date,))


@given(st.text() | LIKE_FORMS)
@example('"')
@example('a = "\\')
@example("a:any(((")
@example("a > 0001-01-01T00:00+23:00")
@example("a = " + "9" * 5000)
@example('."" = 1')
def test_no_text_crashes_the_parser(form: str) -> None:
    try:
        found = parse_condition(form)
    except InvalidInputError:
        return
    assert found.path
    assert found.values


@pytest.mark.parametrize(
    ("path", "operator", "values"),
    [
        ((), "=", (1,)),
        (("",), "=", (1,)),
        (('a"',), "=", (1,)),
        (("a",), "~", (1,)),
        (("a",), "=", ()),
        (("a",), ">", ("b",)),
        (("a",), ">", (True,)),
        (("a",), ">", (1, 2)),
        (("a",), "=", (math.nan,)),
        (("a",), "=", (2**64,)),
        (("a",), "=", ("\ud800",)),
        (("a",), "=", (None,)),
    ],
)
def test_a_condition_that_no_store_can_ask_is_refused(path: Any, operator: Any, values: Any) -> None:  # noqa: ANN401
    with pytest.raises(InvalidInputError, match="expected"):
        Condition(path, operator, values)


@pytest.mark.parametrize("given_as", ["year >= 2020", ["year >= 2020"], Condition(("a",), "=", (1,))])
def test_a_filter_is_a_list_of_conditions(given_as: object) -> None:
    with pytest.raises(InvalidInputError, match=r"expected a list, as of parse_condition"):
        checked_conditions(cast("Any", given_as))


def test_bounds_are_those_of_the_operator() -> None:
    asked = Condition(("a",), "<", (3,))
    assert asked.bounds(3) == {"lt": 3}
    exact = Condition(("a",), "=", (2**53 + 1, "x", True, 5))
    assert [exact.bounds(value) for value in exact.values] == [None, None, None, {"gte": 5, "lte": 5}]
    assert Condition(("a",), ">", (2**53 + 1,)).bounds(2**53 + 1) == {"gt": 2**53 + 1}


def test_a_datetime_without_a_zone_is_utc() -> None:
    asked = Condition(("a",), ">=", (datetime(2024, 5, 31),))  # noqa: DTZ001 - its subject
    assert asked.bounds(asked.values[0]) == {"gte": MAY}
    there = datetime(2024, 5, 31, 2, tzinfo=timezone(timedelta(hours=2)))
    assert asked.bounds(there) == {"gte": MAY}


def quoted_key(key: str) -> str:
    return f'"{key}"'

"""Document prefixes that name fields: what is a field, what fills it, and what is refused."""

from __future__ import annotations

from typing import Any

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.model.template import fields_in, filled, filled_for_each, require_values

GEMMA = "title: {title|none} | text: "


def test_fields_are_filled_and_those_that_are_missing_have_the_stated_value() -> None:
    assert filled(GEMMA, {"title": "Cats"}) == "title: Cats | text: "
    assert filled(GEMMA, {}) == "title: none | text: "
    assert filled("{a|}{b_2|x y}: {a|z}", {"a": "{b_2|q}"}) == "{b_2|q}x y: {b_2|q}"
    assert fields_in("{a|}{b_2|x y}: {a|z}") == ("a", "b_2")


@pytest.mark.parametrize(
    "prefix", ["", "passage: ", "{}", "{title}", "{0|a}", "{a b|c}", "{a|b|c}", "{|x}", "{{a}}", "a|b"]
)
def test_other_braces_are_text(prefix: str) -> None:
    assert (fields_in(prefix), filled(prefix, {"title": "Cats", "a": "b"})) == ((), prefix)


def test_a_name_without_a_value_is_refused_with_the_form_that_is_expected() -> None:
    with pytest.raises(InvalidInputError, match=r"has \{title\}.* Write \{title\|none\}, or \{title\|\} for nothing"):
        require_values("title: {title} | text: ")
    require_values(GEMMA + "{} {0} {a b}")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([{}], "found 1 of them, expected a list of 2 mappings"),
        ({"title": "Cats"}, "found dict, expected a list of 2 mappings"),
        ([{}, {"author": "Ann"}], "fields of text 1: 'author' is not in the document prefix, which has title"),
        ([{"title": 5}, {}], "the field 'title' of text 0 is a int"),
        ([{}, {"title": "\ud800"}], "the field 'title' of text 1 holds a lone surrogate"),
    ],
)
def test_values_that_fit_no_text_or_no_field_are_refused(fields: Any, message: str) -> None:  # noqa: ANN401
    with pytest.raises(InvalidInputError) as refused:
        filled_for_each(GEMMA, fields, 2)
    assert message in str(refused.value)

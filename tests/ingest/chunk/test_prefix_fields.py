"""The values of fields that are found in a record: its metadata, and the title of Markdown."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin import Encoder
from embed_plugin.ingest import Record
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture(scope="module")
def fields(tiny_model: Callable[..., Path]) -> PrefixFields:
    return PrefixFields(Encoder.load(tiny_model(), document_prefix="{title|none} {year|}: "))


@pytest.mark.parametrize(
    ("metadata", "expected"),
    [
        ({"title": " A\n title ", "year": 1999, "other": "x"}, {"title": "A title", "year": "1999"}),
        ({"title": "", "year": None}, {}),
        ({"title": ["a"], "year": True}, {}),
        ({"title": {"a": "b"}, "year": 0.5}, {"year": "0.5"}),
    ],
)
def test_strings_and_numbers_of_the_metadata_fill_a_field(
    fields: PrefixFields, metadata: dict[str, Any], expected: dict[str, str]
) -> None:
    assert fields.of(Record("a", "# text", metadata)) == expected
    assert PrefixFields(FakeEncoder()).of(Record("a", "# text", metadata, syntax="markdown")) == {}


@pytest.mark.parametrize(
    ("text", "title"),
    [
        ("# Title\ntext", "Title"),
        ("\n \n   #\tThe  title ##  \n", "The title"),
        ("# C#", "C#"),
        ("# " + "a" * 200, "a" * 200),
        *[
            (text, None)
            for text in ("#\ntext", "# \ntext", "# ##", "#Title", "## Title", "text\n# Title", "    # code", "")
        ],
        ("# " + "a" * 201, None),
        ("# " + " " * 100_000 + "a" * 300, None),
    ],
)
def test_the_first_heading_is_the_title_of_markdown(fields: PrefixFields, text: str, title: str | None) -> None:
    assert fields.of(Record("a", text, syntax="markdown")).get("title") == title
    assert fields.of(Record("a", text, {"title": "given"}, syntax="markdown"))["title"] == "given"
    assert fields.of(Record("a", text)) == {}

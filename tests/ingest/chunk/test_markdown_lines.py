from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest.chunk.markdown_lines import markdown_lines


def kinds(text: str) -> list[str]:
    return [line.kind for line in markdown_lines(text)]


@pytest.mark.parametrize(
    ("text", "level", "heading"),
    [
        ("# One", 1, "One"),
        ("   ### Two ##", 3, "Two"),
        ("## C#", 2, "C#"),
        ("#\tTab", 1, "Tab"),
        ("Under\n=====", 1, "Under"),
        ("# A\nUnder\n--", 2, "Under"),
    ],
)
def test_headings_of_both_kinds_are_found(text: str, level: int, heading: str) -> None:
    found = [line for line in markdown_lines(text) if line.heading == heading]
    assert [(line.kind, line.level) for line in found] == [("heading", level)]


@pytest.mark.parametrize(
    "text", ["#hashtag", "    # code", "####### seven", "- item\n---", "a\nb\n---", "| a |\n---", "\n---\n", "text\n-"]
)
def test_what_only_looks_like_a_heading_is_none(text: str) -> None:
    assert "heading" not in kinds(text)


def test_nothing_in_a_fence_is_a_heading_or_a_table() -> None:
    text = "```python\n# comment\n| a |\n| - |\n~~~\n````\n# heading"
    assert kinds(text) == ["fence", *["text"] * 5, "heading"]
    assert kinds("> ~~~\n> # comment\n> ~~~\n# heading") == ["fence", "text", "text", "heading"]
    assert kinds("1. ```sh\n   # comment\n   ```\n# heading") == ["fence", "text", "text", "heading"]


def test_the_head_of_a_table_is_its_first_row_and_the_one_under_it() -> None:
    assert kinds("| a | b |\n|:--|---|\n| 1 | 2 |") == ["table head", "table head", "text"]
    assert kinds("a | b\n- | -\n1 | 2") == ["table head", "table head", "text"]


def test_three_lines_of_nothing_but_a_link_are_a_list_of_links() -> None:
    link = "* [a page](page.md)"
    assert kinds("\n".join([link] * 4)) == ["links"] * 4
    assert kinds("\n".join([link] * 2)) == ["text"] * 2
    assert kinds("\n".join([link, link + " says more", link])) == ["text"] * 3


@given(st.text("ab#=-|` \n[]()*", max_size=80))
def test_every_line_of_any_text_is_there_once(text: str) -> None:
    assert "\n".join(text[line.start : line.end] for line in markdown_lines(text)) == text

"""The instruction in a query prefix: what is put where, and what is refused."""

from __future__ import annotations

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.model.instruction import with_instruction

QWEN3 = "Instruct: Given a web search query, retrieve relevant passages that answer the query\nQuery:"
E5 = "Instruct: Given a web search query\nQuery: "
GEMMA = "task: search result | query: "


@pytest.mark.parametrize(
    ("prefix", "expected"),
    [
        (QWEN3, "Instruct: find the bug\nQuery:"),
        (E5, "Instruct: find the bug\nQuery: "),
        (GEMMA, "task: find the bug | query: "),
    ],
)
def test_it_takes_the_place_of_the_one_in_the_prefix(prefix: str, expected: str) -> None:
    assert with_instruction(prefix, "find the bug", "query") == expected


@pytest.mark.parametrize("prefix", ["", "query: ", "Represent this sentence: ", "Instruct: \nQuery:", "task: a"])
def test_a_model_without_one_takes_none(prefix: str) -> None:
    with pytest.raises(InvalidInputError, match=r"takes no instruction .*leave it out"):
        with_instruction(prefix, "find the bug", "query")


@pytest.mark.parametrize("instruction", ["", "  ", "two\nlines", "two\r\nlines", "\udcff", 5])
def test_what_is_no_line_of_text_is_refused(instruction: str) -> None:
    with pytest.raises(InvalidInputError, match="the instruction"):
        with_instruction(QWEN3, instruction, "query")


def test_documents_have_none() -> None:
    with pytest.raises(InvalidInputError, match="an instruction is for queries"):
        with_instruction(QWEN3, "find the bug", "document")

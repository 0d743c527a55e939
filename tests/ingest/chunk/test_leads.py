from __future__ import annotations

import pytest

from embed_plugin.ingest.chunk.leads import CodeLeads, MarkdownLeads, NoLeads
from embed_plugin.ingest.chunk.markdown_lines import markdown_lines


def markdown_lead(text: str) -> str:
    return text[MarkdownLeads(markdown_lines(text)).begin(0, len(text)) :]


def code_lead(text: str, syntax: str = "python") -> str:
    return text[CodeLeads(text, syntax).begin(0, len(text)) :]


@pytest.mark.parametrize(
    "lead", ["# A", "A\n==", "```sh", "| a |\n| - |", "## A\n\n### B\n\n```\n", "[a](b)\n[c](d)\n[e](f)"]
)
def test_what_leads_to_more_is_the_end_of_a_piece_of_markdown(lead: str) -> None:
    assert markdown_lead(f"Some text.\n\n{lead}") == lead
    assert markdown_lead(lead) == lead
    assert markdown_lead(f"{lead}\n\ntext") == ""


@pytest.mark.parametrize(
    "lead",
    [
        "class WheelCache(Cache):",
        "@property",
        "@pytest.mark.parametrize(\n    'a', [1]\n)\ndef test(a):",
        "def f(\n    a: int,\n) -> int:  # noqa",
        "# why this is so\nx = [",
        "class A:\n\n    @cache\n    async def f(self):\n",
        "if a:",
    ],
)
def test_a_signature_or_decorator_is_the_end_of_a_piece_of_python(lead: str) -> None:
    assert code_lead(f"x = 1\n\n\n{lead}") == lead
    assert code_lead(lead) == lead
    assert code_lead(f'{lead}\n    """Doc."""') == ""


@pytest.mark.parametrize(
    ("syntax", "lead"),
    [
        ("c", "int main(int argc,\n         char **argv)\n{"),
        ("java", "/** Doc. */\n@Override\npublic void f() {"),
        ("rust", "#[derive(Debug)]\nstruct A {"),
        ("typescript", "// why\nexport class A {"),
        ("ruby", "# why\nclass A < B"),
        ("bash", "for a in b; do"),
    ],
)
def test_other_languages_have_their_own_openers(syntax: str, lead: str) -> None:
    assert code_lead(f"a();\n{lead}", syntax) == lead


@pytest.mark.parametrize("code", ["x = 1", "def f(): return 1", "f(a,\n  b)", "#!/bin/sh\nset -e", ""])
def test_a_statement_leads_to_nothing(code: str) -> None:
    assert code_lead(code) == ""


def test_the_quotes_before_a_docstring_lead_to_it_and_those_behind_it_do_not() -> None:
    assert code_lead('x = 1\n\ndef f():\n    """') == 'def f():\n    """'
    assert code_lead("x = 1\nclass A:\n    r'''") == "class A:\n    r'''"
    assert code_lead('def f():\n    """\n    Doc.\n    """') == ""
    assert code_lead('def f():\n    """', "go") == ""


def test_a_comment_longer_than_forty_lines_stands_by_itself() -> None:
    assert code_lead("x = 1\n" + "# a line\n" * 60) == "# a line\n" * 39
    assert NoLeads().begin(2, 5) == 5


def test_a_heading_that_is_cut_leads_from_where_the_piece_begins() -> None:
    text = "# a heading of several words"
    assert MarkdownLeads(markdown_lines(text)).begin(5, 12) == 5

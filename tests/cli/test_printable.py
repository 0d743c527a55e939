from __future__ import annotations

import pytest

from embed_plugin.cli.printable import count_of, printable
from embed_plugin.cli.reports.output import print_facts


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("\x1b[31mred\x07", r"\x1b[31mred\x07"),
        ("\x9b31m\x7f", r"\x9b31m\x7f"),
        ("two\nlines\r", r"two\nlines\r"),
        ("exe\u202etxt.\u2066x\u2069\u200f", r"exe\u202etxt.\u2066x\u2069\u200f"),
        ("caf\udce9", r"caf\udce9"),
        ("\u2028\ufeff\U000e0041", r"\u2028\ufeff\U000e0041"),
    ],
)
def test_characters_that_a_terminal_acts_on_or_does_not_show_are_escaped(text: str, expected: str) -> None:
    assert printable(text) == expected
    assert printable(text).isprintable()


@pytest.mark.parametrize(
    "text", ["a b.txt", "Größe 日本語", "全角\u3000空白", "a\u00a0b", "می\u200cخواهم", "👩\u200d👧", r"C:\x1b"]
)
def test_text_of_every_language_stays(text: str) -> None:
    assert printable(text) == text


def test_facts_are_one_line_each_whatever_they_name(capsys: pytest.CaptureFixture[str]) -> None:
    print_facts({"stray_chunks": "1: a\x1b[2J\nresult  sound", "x\x1b": 1})
    assert capsys.readouterr().out.splitlines() == [
        r"stray chunks  1: a\x1b[2J\nresult  sound",
        r"x\x1b         1",
    ]


def test_one_is_singular_and_thousands_are_parted() -> None:
    assert [count_of(number, "record") for number in (0, 1, 2000)] == ["0 records", "1 record", "2,000 records"]

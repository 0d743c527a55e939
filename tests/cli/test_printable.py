from __future__ import annotations

import pytest

from embed_plugin.cli.printable import printable


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

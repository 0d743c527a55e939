from __future__ import annotations

import argparse
import signal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.cli.stopping import Stopped
from embed_plugin.ingest import Chunker, Record
from embed_plugin.ingest.chunk import windows
from embed_plugin.ingest.chunk.splitters import make_splitter
from embed_plugin.ingest.chunk.windows import BUDGET, WINDOW_CHARACTERS, split
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.types import Role

CAPACITY = 254
PROSE = "every word of this sentence is counted once or a few times, "
CODE = Path(argparse.__file__).read_text(encoding="utf-8")
SHAPES: dict[str, tuple[str, Callable[[int], str]]] = {
    "string": ("javascript", lambda size: f'var a = "{PROSE * (size // 60)}";'),
    "comment": ("c", lambda size: f"/* {PROSE * (size // 60)} */"),
    "template": ("typescript", lambda size: f"a = `{PROSE * (size // 60)}`"),
    "docstring": ("python", lambda size: f'"""{PROSE * (size // 60)}"""'),
    "heredoc": ("bash", lambda size: f"cat <<EOF\n{PROSE * (size // 60)}\nEOF\n"),
    "minified": ("javascript", lambda size: "!function(){" + "function f(a){return a.b(1)+2}" * (size // 30) + "}()"),
    "array": ("c", lambda size: "int a[] = {" + "0x11, " * (size // 6) + "};"),
    "list item": ("markdown", lambda size: "- " + PROSE * (size // 60)),
    "table": ("markdown", lambda size: "|a|b|\n|-|-|\n" + "|aa|bb|\n" * (size // 8)),
    "fence": ("markdown", lambda size: "```\n" + "word\n" * (size // 5)),
    "word": ("text", lambda size: "x" * size),
    "no spaces": ("text", lambda size: "漢字仮名" * (size // 4)),
    "line": ("text", lambda size: PROSE * (size // 60)),
    "tiny lines": ("text", lambda size: "a\n\n" * (size // 3)),
    "json": ("text", lambda size: '{"k":[1,"v"]},' * (size // 14)),
    "spaces": ("text", lambda size: "a" + " " * size + "b"),
}
NESTED: dict[str, tuple[str, Callable[[int], str]]] = {
    "brackets": ("javascript", lambda size: "[" * (size // 2) + "]" * (size // 2)),
    "branches": ("c", lambda size: "void f() {if (a) b();" + "else if (a) b();" * (size // 16) + "}"),
    "elements": ("tsx", lambda size: "<a>" * (size // 7) + "</a>" * (size // 7)),
}


class Counter:
    """Counts four characters as a token, and keeps the length of each text that it was given."""

    def __init__(self) -> None:
        self.lengths: list[int] = []

    @property
    def characters(self) -> int:
        return sum(self.lengths)

    def __call__(self, text: str) -> int:
        self.lengths.append(len(text))
        return -(-len(text) // 4)


def counted(text: str, syntax: str) -> Counter:
    count = Counter()
    pieces = split(text, syntax, count, capacity=CAPACITY, overlap=0)
    assert all(text.startswith(piece, start) for start, piece in pieces)
    assert "".join("".join(piece for _, piece in pieces).split()) == "".join(text.split())
    return count


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_is_counted_twice_as_often(shape: str) -> None:
    syntax, make = SHAPES[shape]
    once, twice = (counted(make(size), syntax) for size in (40_000, 80_000))
    assert twice.characters <= 2.5 * once.characters
    assert len(twice.lengths) <= 2.5 * len(once.lengths)
    assert max(twice.lengths) <= WINDOW_CHARACTERS


@pytest.mark.parametrize("shape", NESTED)
@pytest.mark.parametrize("size", [1000, 2000])
def test_deep_nesting_is_cut_as_text_before_it_is_counted_too_often(shape: str, size: int) -> None:
    syntax, make = NESTED[shape]
    assert counted(make(size), syntax).characters <= (BUDGET + 20) * size


@pytest.mark.parametrize("bracket", ["[]", "{}", "()"])
def test_brackets_nested_deeper_than_in_code_are_cut_as_text(bracket: str) -> None:
    text = (bracket[0] * 8000 + bracket[1] * 8000 + "\n") * 2
    settings = {"capacity": CAPACITY, "overlap": 0}
    assert split(text, "javascript", Counter(), **settings) == split(text, "text", Counter(), **settings)


@pytest.mark.parametrize("syntax", ["python", "markdown", "text"])
def test_a_text_of_one_window_is_cut_as_the_splitter_cuts_it(syntax: str) -> None:
    text = CODE[:WINDOW_CHARACTERS]
    whole = make_splitter(syntax, Counter(), capacity=CAPACITY, overlap=0).chunk_indices(text)
    assert split(text, syntax, Counter(), capacity=CAPACITY, overlap=0) == whole


@pytest.mark.parametrize("overlap", [0, 30])
def test_a_long_module_is_cut_nearly_everywhere_where_the_splitter_cuts_it_whole(overlap: int) -> None:
    whole = make_splitter("python", Counter(), capacity=CAPACITY, overlap=overlap).chunk_indices(CODE)
    pieces = split(CODE, "python", Counter(), capacity=CAPACITY, overlap=overlap)
    assert len(CODE) > 4 * WINDOW_CHARACTERS
    assert len({*pieces} & {*whole}) > 0.9 * len(pieces)


def split_in_windows(text: str, syntax: str, length: int) -> list[str]:
    """Split into pieces of three words, in windows of another length."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(windows, "WINDOW_CHARACTERS", length)
        patch.setattr(windows, "WINDOW_CHARACTERS_PER_TOKEN", 1)
        pieces = split(text, syntax, lambda piece: len(piece.split()), capacity=3, overlap=0)
    assert all(text.startswith(piece, start) for start, piece in pieces)
    return [piece for _, piece in pieces]


@given(st.text("ab .\n#`漢", min_size=1), st.sampled_from(["text", "markdown", "python"]), st.integers(3, 40))
def test_windows_of_any_length_lose_nothing(text: str, syntax: str, length: int) -> None:
    assert "".join("".join(split_in_windows(text, syntax, length)).split()) == "".join(text.split())


@given(st.text("ab \n", min_size=1), st.integers(3, 40))
def test_no_window_cuts_a_word_that_is_shorter(text: str, length: int) -> None:
    words = [word for piece in split_in_windows(text, "text", length) for word in piece.split()]
    assert all(word in words for word in text.split() if len(word) < length)


def test_the_next_window_repeats_the_overlap() -> None:
    text = " ".join(f"word{number}" for number in range(10_000))
    pieces = split(text, "text", lambda piece: len(piece.split()), capacity=100, overlap=10)
    words = [piece.split() for _, piece in pieces]
    assert all(after[:10] == before[-10:] for before, after in pairwise(words))
    assert words[-1][-1] == "word9999"


def test_a_signal_ends_a_cut_at_the_next_count() -> None:
    calls = 0

    def count(text: str) -> int:
        nonlocal calls
        calls += 1
        if calls == 20:
            raise Stopped(signal.SIGTERM)
        return len(text)

    with pytest.raises(Stopped):
        split(PROSE * 1000, "markdown", count, capacity=CAPACITY, overlap=0)
    assert calls == 20


class LengthsEncoder(FakeEncoder):
    """Keeps the length of the longest text whose tokens it counted."""

    longest = 0

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        self.longest = max(self.longest, *map(len, texts), 0)
        return super().count_tokens(texts, role=role)


@pytest.mark.parametrize("text", ["x" * 1_000_000, PROSE * 10_000])
def test_a_long_word_or_line_is_never_counted_whole(text: str) -> None:
    encoder = LengthsEncoder()
    (chunks,) = Chunker(encoder).chunk([Record("a", text)])
    assert isinstance(chunks, list)
    assert "".join("".join(chunk.text for chunk in chunks).split()) == "".join(text.split())
    assert encoder.longest <= WINDOW_CHARACTERS

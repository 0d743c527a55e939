from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest import Chunk, Chunker, Record
from embed_plugin.ingest.chunk.joints import WIDEST_GAP, Joints
from embed_plugin.ingest.chunk.leads import NoLeads
from embed_plugin.ingest.chunk.outline import outline_of
from embed_plugin.ingest.chunk.windows import split
from embed_plugin.testing import FakeEncoder

WORDS = " ".join(f"word{number}" for number in range(40))


def cut(text: str, syntax: str = "markdown", *, words: int = 20, overlap: int = 0) -> list[str]:
    """The chunks of a text, of a number of words."""
    chunker = Chunker(FakeEncoder(max_tokens=words + 2), overlap_tokens=overlap)
    (chunks,) = chunker.chunk([Record("a", text, syntax=syntax)])
    assert isinstance(chunks, list)
    assert all(chunk.tokens <= words + 2 for chunk in chunks)
    return [chunk.text for chunk in chunks]


def sentences(count: int, first: int = 0) -> str:
    return " ".join(f"Sentence {number} has six words here." for number in range(first, first + count))


@pytest.mark.parametrize("lead", ["## Install", "Install\n-------", "```\nx", "| a | b |\n| - | - |"])
def test_what_leads_to_more_is_in_the_chunk_of_what_it_leads_to(lead: str) -> None:
    text = f"{sentences(2)}\n\n{lead}\n\n{sentences(3, 2)}"
    chunks = cut(text)
    first = lead.split("\n", maxsplit=1)[0]
    (found,) = [chunk for chunk in chunks if first in chunk]
    assert found.startswith(first)
    assert "Sentence 2" in found or "x" in found.split("\n")


def test_a_section_longer_than_a_chunk_begins_with_its_heading() -> None:
    chunks = cut(f"# Title\n\n## Install\n\n{sentences(9)}\n\n## Use\n\n{sentences(9, 9)}")
    assert chunks[0].startswith("# Title\n\n## Install\n\nSentence 0")
    assert next(chunk for chunk in chunks if "## Use" in chunk).startswith("## Use\n\nSentence 9")
    assert "".join(chunks).count("Sentence") == 18


def test_a_signature_is_in_the_chunk_of_its_docstring() -> None:
    body = "\n".join(f"    value{number} = {number}" for number in range(12))
    code = f'import os\n\n\nclass WheelCache(Cache):\n    """Keeps wheels in a folder of their own."""\n\n{body}\n'
    chunks = cut(code, "python", words=16)
    (found,) = [chunk for chunk in chunks if "class WheelCache" in chunk]
    assert "Keeps wheels" in found
    assert len(found.split()) > 8


def test_decorators_and_comments_stay_with_the_function() -> None:
    one = "def one():\n" + "\n".join(f"    a{number} = {number}" for number in range(6))
    two = "# why it is so\n@cache\ndef two():\n" + "\n".join(f"    b{number} = {number}" for number in range(4))
    chunks = cut(f"{one}\n\n\n{two}\n", "python", words=24)
    assert [chunk.split("\n")[0] for chunk in chunks] == ["def one():", "# why it is so"]


def test_a_few_words_at_the_end_are_joined_or_get_company() -> None:
    assert cut(f"{sentences(2)}\n\nThe end.") == [f"{sentences(2)}\n\nThe end."]
    full = " ".join(f"word{number}" for number in range(19)) + "."
    assert [len(chunk.split()) for chunk in cut(f"{full} {full}\n\nThe very end.", "text")][-1] > 4


def test_a_heading_with_nothing_under_it_is_joined_to_what_is_before_it() -> None:
    chunks = cut(f"# A\n\n{sentences(4)}\n\n## See also\n")
    assert "See also" in chunks[-1]
    assert "Sentence" in chunks[-1]


def test_a_record_of_nothing_but_a_heading_is_a_chunk() -> None:
    assert cut("# Only a heading\n") == ["# Only a heading\n"]
    assert "".join("".join(cut("## word word word\n\n" * 12)).split()) == "##wordwordword" * 12


def test_pieces_far_apart_are_not_joined() -> None:
    for gap, count in ((WIDEST_GAP, 1), (WIDEST_GAP + 1, 2)):
        text = f"{sentences(2)}{' ' * gap}end"
        joints = Joints(text, NoLeads(), count=lambda part: len(part.split()), cut=lambda *_: [], capacity=20)
        assert len(joints.join([(0, sentences(2)), (len(text) - 3, "end")])) == count


def places(text: str, chunks: list[Chunk]) -> list[tuple[int, int]]:
    found = [(chunk.start or 0, (chunk.start or 0) + len(chunk.text)) for chunk in chunks]
    assert all(text[start:end] == chunk.text for (start, end), chunk in zip(found, chunks, strict=True))
    return found


LINES = ["# A", "## B", "Title\n=====", "```", "| a | b |\n| - | - |", "| 1 | 2 |", sentences(1), "", "x"]
CODE = ["class A:", "    def f(self):", '        """Doc."""', "    x = 1", "@cache", "# why", "", "f(a,\n  b)", "}"]


@given(st.lists(st.sampled_from(LINES) | st.sampled_from(CODE), min_size=1, max_size=40), st.integers(3, 14),
       st.sampled_from(["markdown", "python", "text"]), st.integers(0, 2))  # fmt: skip
def test_whatever_is_joined_nothing_is_lost_and_nothing_exceeds_the_limit(
    lines: list[str], words: int, syntax: str, overlap: int
) -> None:
    text = "\n".join(lines)
    if not text.strip():
        return
    (chunks,) = Chunker(FakeEncoder(max_tokens=words + 2), overlap_tokens=overlap).chunk(
        [Record("a", text, syntax=syntax)]
    )
    assert isinstance(chunks, list)
    assert all(chunk.tokens <= words + 2 for chunk in chunks)
    end = 0
    for start, stop in places(text, chunks):
        assert not text[end:start].strip()
        assert stop > end or overlap
        end = max(end, stop)
    assert not text[end:].strip()


class Counter:
    """Counts words, and the characters that it was given."""

    def __init__(self) -> None:
        self.characters = 0

    def __call__(self, text: str) -> int:
        self.characters += len(text)
        return len(text.split())


SHAPES = {
    "headings": ("markdown", "## A heading\n\n"),
    "sections": ("markdown", "## A heading\n\none two three four five\n\n"),
    "fences": ("markdown", "```\ncode\n```\n"),
    "tables": ("markdown", "| a | b |\n| - | - |\n| 1 | 2 |\n\n"),
    "links": ("markdown", "* [a](b)\n"),
    "comments": ("python", "# a comment of six words\n"),
    "decorators": ("python", "@cache\n"),
    "functions": ("python", "@cache\ndef f(\n    a,\n):\n    return a\n\n"),
    "brackets": ("python", "f(\n"),
    "words": ("text", "word.\n\n"),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_twice_the_text_is_counted_twice_as_often(shape: str) -> None:
    syntax, part = SHAPES[shape]
    counted = []
    for length in (20_000, 40_000):
        text, count = part * (length // len(part)), Counter()
        pieces = split(text, syntax, count, capacity=40, overlap=0)
        before = count.characters

        def again(some: str, most: int, syntax: str = syntax, count: Counter = count) -> list[tuple[int, str]]:
            return split(some, syntax, count, capacity=most, overlap=0)

        Joints(text, outline_of(text, syntax).leads, count=count, cut=again, capacity=40).join(pieces)
        counted.append(count.characters - before)
    assert counted[1] <= 2.5 * counted[0] + 1_000

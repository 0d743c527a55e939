from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest.chunk.places import Places
from embed_plugin.ingest.records import LeftOut


def test_lines_and_characters_are_those_of_the_source() -> None:
    source = "---\na: 1\n---\none\n[i]: data:x\ntwo\n\nthree\n"
    text = "one\n\ntwo\n\nthree\n"
    places = Places(text, [LeftOut(0, 13, 3), LeftOut(4, 11, 0)])
    for piece, lines in (("one", (4, 4)), ("two", (6, 6)), ("two\n\nthree", (6, 8)), ("one\n\ntwo", (4, 6))):
        start, end, found = places.of(text.index(piece), piece)
        assert found == lines
        assert source[start:end].startswith(piece[:3])
        assert source[start:end].endswith(piece[-3:])


def test_without_a_source_a_piece_has_no_lines() -> None:
    assert Places("one\ntwo", None).of(4, "two") == (4, 7, None)


@given(st.text("ab\n", max_size=30), st.lists(st.integers(0, 30), max_size=4), st.data())
def test_whatever_is_left_out_the_characters_are_found(source: str, cuts: list[int], data: st.DataObject) -> None:
    ends = sorted(min(cut, len(source)) for cut in cuts)
    parts = [*zip(ends[::2], ends[1::2], strict=False)]
    text, left_out, end = "", [], 0
    for start, stop in parts:
        text += source[end:start]
        left_out.append(LeftOut(len(text), stop - start, source.count("\n", start, stop)))
        end = stop
    text += source[end:]
    if words := text.split():
        word = data.draw(st.sampled_from(words))
        start, stop, lines = Places(text, left_out).of(text.index(word), word)
        assert (source[start], source[stop - 1]) == (word[0], word[-1])
        assert lines == (1 + source.count("\n", 0, start), 1 + source.count("\n", 0, stop - 1))

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError, SpaceMismatchError
from embed_plugin.ingest import (
    Chunk,
    Chunker,
    CollectionSettings,
    IngestSettings,
    QdrantSink,
    Record,
    ingest,
    open_sink,
    search,
    verify,
)
from embed_plugin.ingest.chunk.context import ContextRule, context_of, context_rule, longest_that_fits
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path

SENTENCES = [f"Sentence {number} has exactly six words." for number in range(6)]
GUIDE = f"# Guide\n\n{SENTENCES[0]}\n\n## Install\n\n{SENTENCES[1]}\n\n### Proxy\n\n{SENTENCES[2]}\n"
RULE: ContextRule = "title-and-headings"


def chunks(text: str, *, syntax: str = "markdown", tokens: int = 24, **metadata: str) -> list[Chunk]:
    chunker = Chunker(FakeEncoder(max_tokens=tokens), context=RULE)
    (found,) = chunker.chunk([Record("a", text, metadata, syntax=syntax)])
    assert isinstance(found, list)
    assert all(chunk.tokens <= tokens for chunk in found)
    return found


def words(text: str) -> int:
    return len(text.split())


def test_title_and_headings_are_put_in_front_of_each_text() -> None:
    text = f"# Guide\n\n## Install\n\n{SENTENCES[0]} {SENTENCES[1]}\n\n## Use\n\n{SENTENCES[2]} {SENTENCES[3]}"
    found = chunks(text)
    assert [chunk.text.split("\n")[0] for chunk in found] == ["Guide > Install", "Guide > Use"]
    for chunk in found:
        context = context_of(chunk.title, chunk.headings)
        assert chunk.text == context + text[chunk.start : chunk.end]


def test_a_whole_text_has_its_title_and_a_file_s_name_is_none() -> None:
    assert chunks("one two", syntax="text", title="Cats")[0].text == "Cats\n\none two"
    assert chunks("one two", syntax="text")[0].text == "one two"


def test_a_context_takes_a_fourth_of_a_chunk_at_most() -> None:
    assert longest_that_fits("a", ["b", "c"], words, 5) == "a > b > c\n\n"
    assert longest_that_fits("a", ["b", "c"], words, 4) == "a > c\n\n"
    assert longest_that_fits("a a a", ["b", "c"], words, 2) == "c\n\n"
    assert longest_that_fits("a a a", ["b b b"], words, 2) == ""
    assert context_of("", []) == ""
    long = chunks(" ".join(SENTENCES), syntax="text", title="word " * 30)
    assert [chunk.text.split()[0] for chunk in long] == ["Sentence"] * len(long)


def test_a_collection_keeps_its_rule_and_refuses_another(tmp_path: Path) -> None:
    encoder, place = FakeEncoder(), str(tmp_path / "qdrant")
    records = [Record("a", GUIDE, syntax="markdown")]
    settings = IngestSettings(chunk_tokens=24)
    with open_sink(place, "notes", settings=CollectionSettings(context=RULE)) as sink:
        ingest(records, encoder, sink, settings=settings)
        assert search(f"Guide\n\n{GUIDE.rstrip()}", encoder, sink, limit=1)
        texts = [chunk.text for page in sink.scan() for chunk in page]
        assert all(text.startswith("Guide") for text in texts)
        assert verify(encoder, sink).is_sound
    with open_sink(place, "notes") as again:
        assert ingest(records, encoder, again, settings=settings).sources == {"unchanged": 1}
    with (
        open_sink(place, "notes", settings=CollectionSettings(context="none")) as other,
        pytest.raises(SpaceMismatchError, match="'title-and-headings' in front, expected the context 'none'"),
    ):
        ingest(records, encoder, other, settings=settings)


def test_without_a_rule_nothing_is_in_front() -> None:
    with open_sink(":memory:", "notes") as sink:
        ingest([Record("a", GUIDE, syntax="markdown")], FakeEncoder(), sink)
        assert isinstance(sink, QdrantSink)
        assert sink.context == "none"
        assert search("x", FakeEncoder(), sink, limit=1)[0].text == GUIDE


def test_a_rule_of_a_later_release_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="the context 'summary', expected none or title-and-headings"):
        context_rule("summary")

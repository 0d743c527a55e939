"""What a chunk knows of its place in every layout, and what is written again when the place changes."""

from __future__ import annotations

from typing import TYPE_CHECKING, get_args

import pytest

from embed_plugin.ingest import (
    CollectionSettings,
    IngestSettings,
    IngestSummary,
    LayoutName,
    QdrantSink,
    Record,
    RecordReader,
    ingest,
    open_sink,
    search,
)
from embed_plugin.ingest.chunk import chunker
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SENTENCES = [f"Sentence {number} has exactly six words." for number in range(6)]
GUIDE = f"# Guide\n\n{SENTENCES[0]}\n\n## Install\n\n{SENTENCES[1]}\n\n### Proxy\n\n{SENTENCES[2]}\n"
CHUNKS = IngestSettings(chunk_tokens=12)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "guide.md").write_text(GUIDE)
    return tmp_path / "docs"


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        yield opened


def run(folder: Path, sink: QdrantSink, encoder: FakeEncoder) -> IngestSummary:
    encoder.encoded.clear()
    return ingest(RecordReader([folder]), encoder, sink, settings=CHUNKS)


def cited(text: str, sink: QdrantSink) -> str:
    return search(text, FakeEncoder(), sink, limit=1)[0].citation


@pytest.mark.parametrize("layout", get_args(LayoutName))
def test_every_layout_has_title_headings_lines_and_characters(folder: Path, layout: LayoutName) -> None:
    with open_sink(":memory:", "notes", settings=CollectionSettings(layout=layout)) as sink:
        run(folder, sink, FakeEncoder())
        (hit,) = search(f"### Proxy\n\n{SENTENCES[2]}", FakeEncoder(), sink, limit=1)
    assert (hit.title, hit.headings, hit.page) == ("Guide", ("Install", "Proxy"), None)
    assert (hit.first_line, hit.last_line) == (9, 11)
    assert hit.citation == "guide.md:9  Install > Proxy"
    start, end = hit.metadata["start"], hit.metadata["end"]
    assert isinstance(start, int)
    assert isinstance(end, int)
    assert GUIDE[start:end] == hit.text


def test_an_unchanged_folder_is_not_written_again(folder: Path, sink: QdrantSink) -> None:
    encoder = FakeEncoder()
    assert run(folder, sink, encoder).sources == {"new": 1}
    assert run(folder, sink, encoder).sources == {"unchanged": 1}
    assert encoder.encoded == []


def test_moved_lines_and_headings_are_written_without_embedding_a_text_again(folder: Path, sink: QdrantSink) -> None:
    encoder = FakeEncoder()
    run(folder, sink, encoder)
    (folder / "guide.md").write_text(GUIDE.replace("# Guide\n", "# Guide\n\n\n\n"))
    summary = run(folder, sink, encoder)
    assert [text for text in encoder.encoded if "Proxy" in text] == []
    assert summary.sources == {"changed": 1}
    assert cited(f"### Proxy\n\n{SENTENCES[2]}", sink) == "guide.md:12  Install > Proxy"
    (folder / "guide.md").write_text(GUIDE.replace("## Install", "## Set up"))
    run(folder, sink, encoder)
    assert encoder.encoded == [f"# Guide\n\n{SENTENCES[0]}", f"## Set up\n\n{SENTENCES[1]}"]
    assert cited(f"### Proxy\n\n{SENTENCES[2]}", sink) == "guide.md:9  Set up > Proxy"


def test_front_matter_that_grows_moves_lines_alone(folder: Path, sink: QdrantSink) -> None:
    encoder = FakeEncoder()
    (folder / "guide.md").write_text(f"---\ntitle: The guide\n---\n{GUIDE}")
    run(folder, sink, encoder)
    assert cited(f"### Proxy\n\n{SENTENCES[2]}", sink) == "guide.md:12  Guide > Install > Proxy"
    (folder / "guide.md").write_text(f"---\n# a comment\ntitle: The guide\n---\n{GUIDE}")
    assert run(folder, sink, encoder).sources == {"metadata_only": 1}
    assert encoder.encoded == []
    assert cited(f"### Proxy\n\n{SENTENCES[2]}", sink) == "guide.md:13  Guide > Install > Proxy"


def test_a_text_moved_behind_another_chunk_keeps_its_vector(folder: Path, sink: QdrantSink) -> None:
    encoder = FakeEncoder()
    run(folder, sink, encoder)
    (folder / "guide.md").write_text(GUIDE.replace("## Install", f"## New\n\n{SENTENCES[3]}\n\n## Install"))
    summary = run(folder, sink, encoder)
    assert (encoder.encoded, summary.reused) == ([f"## New\n\n{SENTENCES[3]}"], 2)
    assert run(folder, sink, encoder).sources == {"unchanged": 1}


def test_other_rules_of_cutting_cut_again_and_embed_only_other_texts(
    folder: Path, sink: QdrantSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoder = FakeEncoder()
    run(folder, sink, encoder)
    monkeypatch.setattr(chunker, "RULES", chunker.RULES + 1)
    summary = run(folder, sink, encoder)
    assert (encoder.encoded, summary.kept, summary.sources) == ([], 3, {"changed": 1})
    assert run(folder, sink, encoder).sources == {"unchanged": 1}


def test_a_page_and_a_row_are_cited_without_lines(folder: Path, sink: QdrantSink) -> None:
    (folder / "page.html").write_text("<title>The page</title><h1>Top</h1><p>a page about cats</p>")
    (folder / "rows.jsonl").write_text('{"text": "a row about dogs", "page": 3}\n')
    run(folder, sink, FakeEncoder())
    hits = search("a row about dogs", FakeEncoder(), sink, limit=9)
    places = {hit.source_id: (hit.citation, hit.title, hit.first_line) for hit in hits}
    assert places["page.html"] == ("page.html  Top", "The page", None)
    assert places["rows.jsonl#1"] == ("rows.jsonl#1, page 3", "rows.jsonl", None)


@pytest.mark.parametrize("value", ["iii", 0, 2.5, True, None, [1]])
def test_metadata_of_the_same_name_is_no_page(folder: Path, sink: QdrantSink, value: object) -> None:
    del folder
    ingest([Record("a", "the cat", {"page": value, "headings": "x", "title": 7})], FakeEncoder(), sink)  # type: ignore[dict-item]
    (hit,) = search("the cat", FakeEncoder(), sink)
    assert (hit.page, hit.headings, hit.title) == (None, (), "")

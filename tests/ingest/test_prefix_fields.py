"""A document prefix that names fields, from the source to the collection: filled, compared, verified, migrated."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Encoder
from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import (
    IngestSettings,
    Observer,
    QdrantSink,
    Record,
    RecordReader,
    ingest,
    migrate,
    open_sink,
    search,
    verify,
)
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    from embed_plugin.ingest import Rejected, StoredChunk

TITLED = Record("a", "the cat sat", {"title": "cat"})
PLAIN = Record("b", "the dog sat", {"n": 1})
LONG = Record("c", " ".join(["the cat sat on the mat."] * 12), {"title": "dog mat"})
RECORDS = (TITLED, PLAIN, LONG)
SETTINGS = IngestSettings(chunk_tokens=32)


@pytest.fixture(scope="module")
def load(tiny_model: Callable[..., Path]) -> Callable[[str], Encoder]:
    return lambda prefix: Encoder.load(tiny_model(), document_prefix=prefix)


@pytest.fixture(scope="module")
def encoder(load: Callable[[str], Encoder]) -> Encoder:
    return load("title: {title|none} | text: ")


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        yield opened


def chunks(sink: QdrantSink) -> list[StoredChunk]:
    stored = [chunk for page in sink.scan(with_vectors=True) for chunk in page]
    return sorted(stored, key=lambda chunk: (chunk.source_id, chunk.index))


def embedded(records: Sequence[Record], encoder: Encoder, sink: QdrantSink) -> dict[str, int]:
    """Chunks that a run embeds, by record."""
    found: dict[str, int] = {}

    def note(change: object) -> None:
        found[change.record.source_id] = len(change.embed)  # type: ignore[attr-defined]

    ingest(records, encoder, sink, settings=SETTINGS, observer=Observer(on_change=note))
    return {name: count for name, count in found.items() if count}


def test_vectors_are_those_of_the_composed_text_without_a_prefix(
    load: Callable[[str], Encoder], encoder: Encoder, sink: QdrantSink
) -> None:
    ingest(RECORDS, encoder, sink, settings=SETTINGS)
    stored = chunks(sink)
    titles = {"a": "cat", "b": "none", "c": "dog mat"}
    by_hand = [f"title: {titles[chunk.source_id]} | text: {chunk.text}" for chunk in stored]
    expected = load("").encode_documents(by_hand)
    vectors = np.array([chunk.vector for chunk in stored], dtype=np.float32)
    np.testing.assert_allclose(vectors, expected, atol=1e-6)
    assert [chunk.source_id for chunk in stored].count("c") > 1
    assert max(load("").count_tokens(by_hand)) <= 32
    assert [dict(chunk.fields) for chunk in stored[:2]] == [{"title": "cat"}, {}]


def test_nothing_is_embedded_twice_and_a_new_title_embeds_its_record_alone(encoder: Encoder, sink: QdrantSink) -> None:
    assert embedded(RECORDS, encoder, sink)["a"] == 1
    assert embedded(RECORDS, encoder, sink) == {}
    retitled = Record("a", TITLED.text, {"title": "another cat"})
    assert embedded([retitled, PLAIN, LONG], encoder, sink) == {"a": 1}
    other = Record("b", PLAIN.text, {"n": 2})
    assert embedded([retitled, other, LONG], encoder, sink) == {}
    assert embedded([Record("a", TITLED.text), other, LONG], encoder, sink) == {"a": 1}
    assert verify(encoder, sink).is_sound


def test_a_text_is_embedded_for_each_of_its_titles_and_never_taken_from_another(
    encoder: Encoder, sink: QdrantSink
) -> None:
    same = [Record(str(number), "the cat sat", {"title": title}) for number, title in enumerate(("cat", "dog", "cat"))]
    ingest(same, encoder, sink)
    mirror = IngestSettings(mirror=True, max_delete=1)
    moved = [Record("new", "the cat sat", {"title": "dog"}), Record("newer", "the cat sat", {"title": "mat"})]
    summary = ingest(moved, encoder, sink, settings=mirror)
    assert (summary.reused, summary.embedded) == (1, 1)
    assert verify(encoder, sink).is_sound


def test_a_stopped_run_goes_on_where_it_was(encoder: Encoder, sink: QdrantSink) -> None:
    def records() -> Iterator[Record]:
        yield TITLED
        raise KeyboardInterrupt

    settings = IngestSettings(chunk_tokens=32, window_records=1)
    with pytest.raises(KeyboardInterrupt):
        ingest(records(), encoder, sink, settings=settings)
    assert "a" not in embedded(RECORDS, encoder, sink)
    assert embedded(RECORDS, encoder, sink) == {}


def test_titles_of_files_rows_and_headings_are_found(encoder: Encoder, sink: QdrantSink, tmp_path: Path) -> None:
    files = {
        "page.html": "<title>A\n page</title><p>the cat",
        "heading.md": "\n#  The heading #\n\nthe cat",
        "second.md": "## Second level\n\nthe cat",
        "plain.txt": "# no heading",
        "rows.csv": "title,text\nA row,the cat\n,the dog\n",
        "lines.jsonl": '{"title": 7, "text": "the cat"}\n{"title": ["a"], "text": "the cat"}\n',
    }
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    ingest(RecordReader([tmp_path]), encoder, sink)
    assert {chunk.source_id: chunk.fields.get("title") for chunk in chunks(sink)} == {
        "page.html": "A page",
        "heading.md": "The heading",
        "second.md": None,
        "plain.txt": None,
        "rows.csv#2": "A row",
        "rows.csv#3": None,
        "lines.jsonl#1": "7",
        "lines.jsonl#2": None,
    }


def test_a_title_that_fills_half_a_chunk_is_rejected_with_its_record(encoder: Encoder, sink: QdrantSink) -> None:
    rejected: list[Rejected] = []
    records = [Record("long", "the cat", {"title": "cat " * 40}, place="rows.csv:2"), TITLED]
    ingest(records, encoder, sink, settings=SETTINGS, observer=Observer(on_rejected=rejected.extend))
    (one,) = rejected
    assert one.reason.startswith("rows.csv:2: the prefix with its title has ")
    assert one.reason.endswith("more than half of a chunk of 32. Shorten it, or allow longer chunks")
    assert [chunk.source_id for chunk in chunks(sink)] == ["a"]


@pytest.mark.parametrize("layout", ["plain", "langchain", "llama-index"])
def test_every_layout_keeps_the_fields_and_metadata_of_that_name_is_none(
    encoder: Encoder, tmp_path: Path, layout: str
) -> None:
    from embed_plugin.ingest import CollectionSettings  # noqa: PLC0415

    settings = CollectionSettings(layout=layout)  # type: ignore[arg-type]
    with open_sink(os.fspath(tmp_path / "qdrant"), "notes", settings=settings) as sink:
        ingest([TITLED, Record("b", "the dog", {"prefix_fields": {"title": "false"}})], encoder, sink)
        assert [dict(chunk.fields) for chunk in chunks(sink)] == [{"title": "cat"}, {}]
        assert verify(encoder, sink).is_sound
        assert search("the cat", encoder, sink)[0].text in {"the cat sat", "the dog"}


def test_a_migration_fills_what_is_stored_and_the_next_run_the_rest(
    load: Callable[[str], Encoder], encoder: Encoder, sink: QdrantSink
) -> None:
    plain, other = load("passage: "), load("{title|}: ")
    ingest(RECORDS, encoder, sink, settings=SETTINGS)
    migrate(other, sink, drop_old=True)
    assert verify(other, sink).is_sound
    assert "a" not in embedded(RECORDS, other, sink)
    migrate(plain, sink, drop_old=True)
    assert verify(plain, sink).is_sound
    assert set(embedded(RECORDS, plain, sink)) == {"a", "c"}  # without titles
    migrate(encoder, sink, drop_old=True)
    assert verify(encoder, sink).is_sound
    assert set(embedded(RECORDS, encoder, sink)) == {"a", "c"}
    assert verify(encoder, sink).is_sound


class TextsOnly(FakeEncoder):
    """A service's client: it knows the prefix, and takes texts alone."""

    document_fields = ("title",)


def test_an_encoder_that_takes_texts_alone_is_refused_before_anything_is_written(sink: QdrantSink) -> None:
    with pytest.raises(InvalidInputError, match=r"\(title\), and this encoder takes texts alone, .* model folder"):
        ingest(RECORDS, TextsOnly(), sink)
    assert sink.collections() == []


def test_without_fields_hashes_and_payloads_are_what_they_were(sink: QdrantSink) -> None:
    ingest([TITLED], FakeEncoder(), sink)
    (chunk,) = chunks(sink)
    assert chunk.stored.text_hash == "77255f02a3435d1feb590482a2f1ebc8895eec0b4264d4f59ad8a9ba0c1cfadf"
    assert chunk.stored.record_hash == "6ff90538797c8459f491857c1337a3b0daa224214b51133193114a10668f763c"

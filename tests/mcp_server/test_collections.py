from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from qdrant_client import models

from embed_plugin.encode import Encoder
from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest import CollectionSettings, RecordReader, ingest, open_client, open_sink
from embed_plugin.mcp.calls import MOST_CHUNKS, fetch
from embed_plugin.mcp.collections import Collections
from embed_plugin.mcp.settings import McpSettings
from embed_plugin.mcp.tools import tools_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.ingest import LayoutName


class Clock:
    """Seconds that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def opened(tmp_path: Path, notes: Path, model: Path, clock: Clock) -> Iterator[Collections]:
    """Two collections of one model; the first has a file of the same name from two folders."""
    (tmp_path / "others").mkdir()
    (tmp_path / "others" / "cat.md").write_text("a slow cat")
    (tmp_path / "others" / "many.txt").write_text("\n\n".join("the red house is open. " * 60 for _ in range(150)))
    encoder, place = Encoder.load(model), str(tmp_path / "store")
    with open_sink(place, "first") as sink:
        ingest(RecordReader([notes, tmp_path / "others"]), encoder, sink)
    with open_sink(place, "second") as sink:
        ingest(RecordReader([notes]), encoder, sink)
    collections = Collections(McpSettings(place, ("first", "second"), (str(model),), release_seconds=60), clock=clock)
    yield collections
    collections.release()


def test_collections_of_one_model_share_it(opened: Collections) -> None:
    first, second = (opened.encoder_of(opened.open(name)) for name in ("first", "second"))
    assert first is second


def test_an_idle_store_is_closed_and_opened_by_the_next_call(opened: Collections, clock: Clock) -> None:
    count = tools_of(("first", "second"))["count"]
    before = count.call(opened, {"collection": "second"})
    clock.now = 59.0
    opened.release_if_idle()
    assert opened._stored is not None
    clock.now = 60.0
    opened.release_if_idle()
    with open_sink(opened.settings.target, "second") as sink:
        assert sink.count() == before["chunks"]
    assert count.call(opened, {"collection": "second"}) == before


def test_a_record_of_two_sources_has_to_be_told_apart(opened: Collections) -> None:
    given: dict[str, str | int] = {"record": "cat.md", "neighbours": 1, "collection": "first"}
    with pytest.raises(InvalidInputError, match=r"several sources have a record 'cat\.md': 'notes', 'others'"):
        fetch(opened, given)
    (chunk,) = fetch(opened, {**given, "source": "others"})["chunks"]
    assert (chunk["text"], chunk["source"]) == ("a slow cat", "others")


@pytest.mark.parametrize("layout", ["plain", "langchain", "llama-index"])
def test_every_layout_has_what_is_cited(tmp_path: Path, notes: Path, model: Path, layout: LayoutName) -> None:
    place = str(tmp_path / "store")
    with open_sink(place, "notes", settings=CollectionSettings(layout=layout)) as sink:
        ingest(RecordReader([notes / "dog.md"]), Encoder.load(model), sink)
    collections = Collections(McpSettings(place, ("notes",)))
    (chunk,) = fetch(collections, {"record": "dog.md", "neighbours": 1})["chunks"]
    collections.release()
    assert (chunk["citation"], chunk["title"], chunk["last_line"]) == ("dog.md:1  Fast", "The dog", 5)
    assert chunk["text"].startswith("# The dog")


def test_a_long_record_is_read_in_parts(opened: Collections) -> None:
    given: dict[str, str | int] = {"record": "many.txt", "neighbours": 20, "collection": "first"}
    first = fetch(opened, given)
    assert len(first["chunks"]) == MOST_CHUNKS < first["chunks_of_record"]
    rest = fetch(opened, {**given, "chunk": 110})
    assert [chunk["chunk"] for chunk in rest["chunks"]] == list(range(90, 131))


def test_a_collection_of_another_program_is_refused_with_the_remedy(tmp_path: Path) -> None:
    client = open_client(str(tmp_path / "store"))
    client.create_collection("theirs", vectors_config=models.VectorParams(size=4, distance=models.Distance.COSINE))
    client.close()
    collections = Collections(McpSettings(str(tmp_path / "store"), ("theirs",)))
    with pytest.raises(TargetError, match=r"'theirs' in .* has no identity .* embed-plugin adopt"):
        collections.open("theirs")
    collections.release()

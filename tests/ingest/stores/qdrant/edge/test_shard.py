"""A shard as a kill leaves it, between the file of a new page and the bitmask that knows it."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest
import qdrant_edge as edge

from embed_plugin.errors import TargetError
from embed_plugin.ingest import Chunk, open_sink
from embed_plugin.ingest.ids import record_key
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [f"text {number}" for number in range(20)]


@pytest.fixture
def target(tmp_path: Path) -> str:
    encoder, target = (
        FakeEncoder(),
        f"edge:{tmp_path / 'segments' / 'folder'}",
    )  # a name that is also a part of a shard's
    with open_sink(target, "c") as sink:
        sink.prepare(encoder)
        chunks = [Chunk(text, 0, 1, text, {}, "m", "r", 3) for text in TEXTS]
        sink.upsert(chunks, encoder.encode_documents(TEXTS))
    return target


def stores(tmp_path: Path) -> list[Path]:
    return sorted(page.parent for page in tmp_path.glob("segments/folder/c/shard/segments/**/page_0.dat"))


def test_a_page_that_the_bitmask_does_not_know_is_removed_and_nothing_is_lost(target: str, tmp_path: Path) -> None:
    assert len(stores(tmp_path)) >= 2  # payloads, and the index of source ids
    for store in stores(tmp_path):
        with (store / "page_1.dat").open("wb") as page:
            page.truncate((store / "page_0.dat").stat().st_size)
    with pytest.raises(Exception, match="Inconsistent number of gridstore pages"):
        edge.EdgeShard.load(str(tmp_path / "segments" / "folder" / "c" / "shard"))
    with open_sink(target, "c") as sink:
        assert sink.check(FakeEncoder())
        assert len(sink.lookup([sink.id_of(record_key("", text), 0) for text in TEXTS])) == len(TEXTS)
    assert not list(tmp_path.glob("segments/folder/**/page_1.dat"))


def test_no_page_is_removed_where_more_than_one_is_unknown(target: str, tmp_path: Path) -> None:
    store = next(store for store in stores(tmp_path) if store.name == "payload_storage")
    for number in (1, 2):
        shutil.copy(store / "page_0.dat", store / f"page_{number}.dat")
    with open_sink(target, "c") as sink, pytest.raises(TargetError, match=r"page.*Delete the folder, and ingest again"):
        sink.lookup([sink.id_of(record_key("", TEXTS[0]), 0)])
    assert (store / "page_1.dat").exists()
    assert (store / "page_2.dat").exists()

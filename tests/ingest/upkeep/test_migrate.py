from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import RecordError, SpaceMismatchError, TargetError
from embed_plugin.ingest import CollectionSettings, QdrantSink, Record, ingest, migrate, open_sink, search, verify
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin import Vectors

OLD, NEW = FakeEncoder(32, fingerprint="old" * 10), FakeEncoder(24, fingerprint="new" * 10)
RECORDS = [Record(str(number), f"text {number}") for number in range(1200)]


@pytest.fixture(params=["memory", "folder", "edge"])
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    target = {"memory": ":memory:", "folder": str(tmp_path / "qdrant"), "edge": f"edge:{tmp_path / 'edge'}"}
    settings = CollectionSettings(sparse="bm25")
    with open_sink(target[request.param], "c", settings=settings) as opened:
        ingest(RECORDS, OLD, opened)
        yield opened


def finds(sink: QdrantSink, encoder: FakeEncoder, *, hybrid: bool = False) -> bool:
    return [hit.text for hit in search("text 7", encoder, sink, limit=1, hybrid=hybrid)] == ["text 7"]


def test_a_collection_moves_to_another_model_and_the_old_vectors_can_go(sink: QdrantSink) -> None:
    told: list[tuple[int, int]] = []
    summary = migrate(NEW, sink, on_progress=lambda *done: told.append(done))
    assert (summary.points, summary.embedded, summary.dropped, told[-1]) == (1200, 1200, (), (1200, 1200))
    assert finds(sink, NEW)
    assert finds(sink, NEW, hybrid=True)
    assert verify(NEW, sink).is_sound
    with pytest.raises(SpaceMismatchError, match=r"dimension 24, expected the model's 32"):
        search("text 7", OLD, sink)
    again = migrate(NEW, sink, drop_old=True)
    assert (again.points, again.embedded, again.dropped) == (1200, 0, ("",))
    assert finds(sink, NEW)


def test_ingest_goes_on_with_the_new_model(sink: QdrantSink) -> None:
    migrate(NEW, sink, drop_old=True)
    assert ingest([*RECORDS, Record("more", "one more")], NEW, sink).embedded == 1
    assert [hit.text for hit in search("one more", NEW, sink, limit=1)] == ["one more"]
    assert verify(NEW, sink).is_sound


class StopsError(Exception):
    pass


class Stops(FakeEncoder):
    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        if self.encoded:
            raise StopsError
        return super().encode_documents(texts)


def test_a_stopped_migration_is_searched_as_before_refuses_ingest_and_goes_on(sink: QdrantSink) -> None:
    with pytest.raises(StopsError):
        migrate(Stops(24, fingerprint=NEW.fingerprint), sink)
    assert finds(sink, OLD)
    with pytest.raises(SpaceMismatchError, match="a migration under way"):
        ingest(RECORDS, OLD, sink)
    with pytest.raises(SpaceMismatchError, match="migrates to the space new"):
        migrate(FakeEncoder(16, fingerprint="third"), sink)
    summary = migrate(NEW, sink)
    assert 0 < summary.embedded < 1200
    assert finds(sink, NEW)


def test_chunks_that_are_too_long_for_the_model_are_refused_before_they_are_cut(sink: QdrantSink) -> None:
    ingest([*RECORDS, Record("long", "word " * 30)], OLD, sink)
    with pytest.raises(RecordError, match=r"long \[0\]: 32 tokens, and the model takes 16"):
        migrate(FakeEncoder(24, max_tokens=16, fingerprint="short"), sink)
    assert finds(sink, OLD)


def test_a_collection_of_somebody_else_is_refused() -> None:
    with open_sink(":memory:", "c") as sink, pytest.raises(TargetError, match="no collection 'c' that embed-plugin"):
        migrate(NEW, sink)

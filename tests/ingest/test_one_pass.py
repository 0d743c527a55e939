"""Dense, sparse and token vectors of one model, made in one run of each text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin import CombinedEncoder, Encoder, EncoderSettings, LateInteractionEncoder, SparseEncoder
from embed_plugin.encode.kinds import one_pass
from embed_plugin.ingest import (
    CollectionSettings,
    Fusion,
    IngestSettings,
    Observer,
    QdrantSink,
    Record,
    ingest,
    open_sink,
    search,
    verify,
)
from export.references.texts import TEXTS as REFERENCE
from support.sparse_checkpoints import exported_m3

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ONE = EncoderSettings(workers=1)
TEXTS = REFERENCE[3:10]
RECORDS = [Record(str(number), text) for number, text in enumerate(TEXTS)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_m3(tmp_path_factory.mktemp("m3"))


@pytest.fixture
def combined(folder: Path) -> CombinedEncoder:
    return CombinedEncoder.load(folder, ONE)


@pytest.fixture
def sink(combined: CombinedEncoder) -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes", settings=of_one(combined)) as opened:
        yield opened


def of_one(combined: CombinedEncoder) -> CollectionSettings:
    return CollectionSettings(sparse=combined.sparse, late=combined.late)


def of_three(folder: Path) -> CollectionSettings:
    return CollectionSettings(sparse=SparseEncoder.load(folder, ONE), late=LateInteractionEncoder.load(folder, ONE))


def texts_run(combined: CombinedEncoder) -> list[int]:
    """The texts of each run from now on."""
    runs: list[int] = []
    combined.runtime.observe(lambda report: runs.append(report.texts))
    return runs


def stored(sink: QdrantSink) -> dict[str, Any]:
    """All vectors of every point, by id."""
    chunks = [chunk for page in sink.scan(with_vectors=True) for chunk in page]
    ids = [chunk.id for chunk in chunks]
    sparse, late = (sink._backend.other_vectors(sink.collection, ids, name) for name in ("sparse", "late"))
    dense = {chunk.id: chunk.vector for chunk in chunks}
    tokens = {one: rows.tobytes() for one, rows in late.items()}  # type: ignore[union-attr]
    return {one: (dense[one].tobytes(), sparse[one], tokens[one]) for one in ids}  # type: ignore[union-attr]


def test_a_run_runs_each_text_once_and_a_second_run_none(combined: CombinedEncoder, sink: QdrantSink) -> None:
    runs = texts_run(combined)
    assert ingest(RECORDS, combined.encoder, sink).embedded == len(TEXTS)
    assert sum(runs) == len(TEXTS)
    assert ingest(RECORDS, combined.encoder, sink).embedded == 0
    assert sum(runs) == len(TEXTS)
    verified = verify(combined.encoder, sink)
    assert verified.is_sound
    assert verified.least_cosines == pytest.approx({"sparse": 1.0, "late": 1.0})
    assert sum(runs) == 2 * len(TEXTS)
    assert combined._kept.size_bytes == 0


def test_a_search_runs_the_query_once(combined: CombinedEncoder, sink: QdrantSink) -> None:
    ingest(RECORDS, combined.encoder, sink)
    runs = texts_run(combined)
    hits = search(TEXTS[3], combined.encoder, sink, hybrid=Fusion(explain=True))
    assert {name for hit in hits for name in hit.places} == {"dense", "sparse", "late"}
    assert runs == [1]


@pytest.mark.parametrize("begun_by", ["one", "three"])
def test_what_one_model_began_three_loads_go_on_with(begun_by: str, combined: CombinedEncoder, folder: Path) -> None:
    three = Encoder.load(folder, ONE)
    begun, other = (combined.encoder, of_one(combined)), (three, of_three(folder))
    if begun_by == "three":
        begun, other = other, begun
    with open_sink(":memory:", "notes", settings=begun[1]) as sink:
        ingest(RECORDS[:4], begun[0], sink)
        again = QdrantSink(sink._backend, "notes", settings=other[1])
        assert ingest(RECORDS, other[0], again).embedded == len(RECORDS) - 4
        mixed = stored(sink)
    with open_sink(":memory:", "notes", settings=of_three(folder)) as sink:
        ingest(RECORDS, three, sink)
        assert mixed == stored(sink)


def test_windows_hold_no_more_than_is_kept(
    combined: CombinedEncoder, sink: QdrantSink, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokens = 30
    monkeypatch.setattr(one_pass, "KEPT_BYTES", 3 * tokens * 4 * combined.spec.dimension)
    windows: list[int] = []
    observer = Observer(on_progress=lambda summary: windows.append(summary.embedded))
    short = [Record(str(number), f"the cat sat on mat {number}") for number in range(7)]  # of 20 characters
    ingest(short, combined.encoder, sink, observer=observer)
    assert windows == [2, 4, 6, 7]
    windows.clear()
    three = of_three(combined.folder)
    with open_sink(":memory:", "notes", settings=three) as other:
        ingest(short, Encoder.load(combined.folder, ONE), other, observer=observer)
        assert windows == [7]
        assert stored(sink) == stored(other)


def test_dense_vectors_that_are_reused_leave_the_others_to_one_more_run(
    combined: CombinedEncoder, sink: QdrantSink
) -> None:
    ingest(RECORDS, combined.encoder, sink)
    moved = [Record(f"new {record.source_id}", record.text) for record in RECORDS]
    runs = texts_run(combined)
    ingest(moved, combined.encoder, sink, settings=IngestSettings(mirror=True, max_delete=1))
    assert sum(runs) == len(RECORDS)
    assert verify(combined.encoder, sink).is_sound

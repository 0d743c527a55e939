"""Pipelines of one's own in Ray Data, with the encoder and with ingest in ``map_batches``."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pytest

from embed_plugin import Encoder
from embed_plugin.errors import InvalidInputError, SpaceMismatchError, TargetError
from embed_plugin.ingest import IngestSettings, QdrantSink, ReaderSettings, Record, Shard, ingest, open_sink, verify
from embed_plugin.testing import FakeEncoder
from support.misbehaving_qdrant import misbehaving_qdrant
from support.own_encoders import threads_of_tokenizers

pytest.importorskip("ray", reason="needs the extra dev-cluster, in an environment of its own: make test-cluster")

import ray
from ray import cloudpickle

from embed_plugin.ingest.ray import EmbedDocuments, IngestRows, LazyEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

pytestmark = [
    pytest.mark.cluster,
    pytest.mark.usefixtures("cluster"),
    pytest.mark.xdist_group("cluster"),
    pytest.mark.filterwarnings(r"ignore::DeprecationWarning:ray\.data"),  # of what Ray Data itself sets
]

TEXTS = [f"the cat {number} sat on the mat" + " and ran" * (number % 7) for number in range(40)]
ROWS = [{"id": number, "text": text, "kind": "cat"} for number, text in enumerate(TEXTS)]
RECORDS = [Record(str(row["id"]), str(row["text"]), {"kind": "cat"}) for row in ROWS]


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with misbehaving_qdrant() as (url, _), open_sink(url, "notes") as opened:
        yield opened


def ingested(rows: list[dict[str, Any]], **arguments: Any) -> list[dict[str, Any]]:  # noqa: ANN401 - of IngestRows
    told = ray.data.from_items(rows).map_batches(
        IngestRows, batch_format="pyarrow", batch_size=8, concurrency=2, fn_constructor_kwargs=arguments
    )
    return sorted(told.take_all(), key=lambda row: (len(row["source_id"]), row["source_id"]))


def test_each_row_gets_the_vector_that_the_encoder_gives_bit_for_bit(model: Path) -> None:
    dataset = ray.data.from_items(ROWS).map_batches(
        EmbedDocuments, fn_constructor_args=(str(model),), concurrency=2, batch_size=7
    )
    found = sorted(dataset.take_all(), key=lambda row: row["id"])
    assert np.array_equal([row["embedding"] for row in found], Encoder.load(model).encode_documents(TEXTS))
    assert {row["kind"] for row in found} == {"cat"}


class _Probe:
    """What an encoder has of a machine, in an actor that has two CPUs of it."""

    def __init__(self, encoder: LazyEncoder) -> None:
        self._encoder = encoder

    def look(self) -> tuple[int, int, str]:
        encoder = self._encoder.load()
        assert isinstance(encoder, Encoder)
        return encoder.runtime.workers, threads_of_tokenizers(encoder), os.environ["OMP_NUM_THREADS"]


@pytest.mark.parametrize("cpus", [1, 2])
def test_an_encoder_has_the_threads_of_the_cpus_that_ray_gave_it(
    model: Path, cpus: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(model.parent)  # a relative path means the same there
    for encoder in (LazyEncoder(model.name), LazyEncoder(Encoder.load(model.name))):
        probe = ray.remote(_Probe).options(num_cpus=cpus).remote(encoder)
        assert ray.get(probe.look.remote()) == (cpus, cpus, str(cpus))
        ray.kill(probe)


def test_an_encoder_is_a_few_bytes_and_loaded_when_it_is_asked_for(model: Path) -> None:
    lazy = LazyEncoder(Encoder.load(model))
    lazy.load()
    content = cloudpickle.dumps(lazy)
    assert len(content) < 1000
    there = cloudpickle.loads(content)
    assert there._loaded is None
    assert there.load() is there.load()
    assert there.load().fingerprint == lazy.load().fingerprint


def test_prefixes_go_along_as_they_are(model: Path) -> None:
    encoder = Encoder.load(model, query_prefix="", document_prefix=".")  # which are paths that exist, too
    assert LazyEncoder(encoder).load().fingerprint == encoder.fingerprint


def test_rows_are_ingested_as_the_local_engine_does_it(model: Path, sink: QdrantSink) -> None:
    encoder = Encoder.load(model)
    sink.prepare(encoder)
    told = ingested(ROWS, model=str(model), sink=sink)
    assert [(row["source_id"], row["status"], row["embedded"]) for row in told] == [
        (str(number), "new", 1) for number in range(40)
    ]
    again = ingest(RECORDS, encoder, sink)
    assert (again.unchanged, again.embedded) == (40, 0)
    assert verify(encoder, sink).is_sound


def test_rows_are_of_the_source_that_is_named(sink: QdrantSink) -> None:
    sink.prepare(FakeEncoder())
    rows = IngestRows(FakeEncoder(), sink, read_as=ReaderSettings(id_field="id", source="pets"))
    rows(ray.data.from_items(ROWS[:2]).take_batch(batch_format="pyarrow"))
    assert {chunk.source_name for page in sink.scan() for chunk in page} == {"pets"}


def test_each_row_says_what_became_of_it() -> None:
    with misbehaving_qdrant(poison="poison") as (url, _), open_sink(url, "notes") as sink:
        ingest(RECORDS[:4], FakeEncoder(), sink)
        rows: list[dict[str, Any]] = [
            ROWS[0],
            {**ROWS[1], "text": "another"},
            {**ROWS[2], "kind": "dog"},
            {**ROWS[3], "text": " "},
            {**ROWS[4], "id": 0},
            {**ROWS[5], "text": None},
            {**ROWS[6], "text": "poison"},
        ]
        told = IngestRows(FakeEncoder(), sink)(ray.data.from_items(rows).take_batch(batch_format="pyarrow"))
    assert list(told["status"]) == ["unchanged", "changed", "metadata_only", "empty", *["rejected"] * 3]
    assert list(told["source_id"]) == ["0", "1", "2", "3", "0", "5", "6"]
    assert list(told["embedded"]) == [0, 1, 0, 0, 0, 0, 0]
    reasons = list(told["reason"])
    assert reasons[:4] == [""] * 4
    assert "the id '0' is used twice" in reasons[4]
    assert "the field 'text' is null" in reasons[5]
    assert "poison" in reasons[6]


def test_a_time_that_python_cannot_hold_costs_its_row(sink: QdrantSink) -> None:
    sink.prepare(FakeEncoder())
    days = pa.array([0, 3_000_000], pa.int32()).cast(pa.date32())
    times = pa.array([7, 7], pa.int64()).cast(pa.timestamp("ns"))
    told = IngestRows(FakeEncoder(), sink)(pa.table({"id": ["a", "b"], "text": ["x", "y"], "d": days, "t": times}))
    assert list(told["status"]) == ["new", "rejected"]
    assert "the column 'd' holds what JSON has no word for" in told["reason"][1]


def test_a_collection_that_nobody_prepared_is_an_error_and_so_is_another_models(sink: QdrantSink) -> None:
    batch = ray.data.from_items(ROWS).take_batch(batch_format="pyarrow")
    with pytest.raises(TargetError, match=r"is not there.*prepare"):
        IngestRows(FakeEncoder(), sink)(batch)
    sink.prepare(FakeEncoder())
    with pytest.raises(SpaceMismatchError):
        IngestRows(FakeEncoder(fingerprint="other"), sink)(batch)


def test_what_a_batch_cannot_have_is_refused(sink: QdrantSink) -> None:
    for settings in (IngestSettings(mirror=True), IngestSettings(shard=Shard(1, 2))):
        with pytest.raises(InvalidInputError, match="leave out shard and mirror"):
            IngestRows(FakeEncoder(), sink, settings=settings)
    with pytest.raises(InvalidInputError, match="no column was chosen"):
        IngestRows(FakeEncoder(), sink, read_as=ReaderSettings())
    with open_sink(":memory:", "notes") as here, pytest.raises(TargetError, match="one process only"):
        IngestRows(FakeEncoder(), here)

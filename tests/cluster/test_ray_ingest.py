"""Ingest on a real cluster of several processes comes to what it comes to in one, whatever dies meanwhile."""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import contextmanager, suppress
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin import Encoder, SparseEncoder
from embed_plugin.errors import ClusterError, InvalidInputError, ModelFolderError, SpaceMismatchError, TargetError
from embed_plugin.ingest import (
    CollectionSettings,
    IngestSettings,
    IngestSummary,
    Observer,
    QdrantSink,
    Record,
    Rejected,
    ingest,
    open_client,
    open_sink,
)
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.ingest.stores.qdrant.client.retry import RetrySettings
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder
from support.killable_run import SETTINGS, records
from support.misbehaving_qdrant import Refuse, misbehaving_qdrant
from support.own_encoders import DeadlyEncoder, SnowmanEncoder, WitnessedEncoder, witnesses
from support.sparse_checkpoints import checkpoint_of, exported

pytest.importorskip("ray", reason="needs the extra dev-cluster, in an environment of its own: make test-cluster")

import ray

from embed_plugin.ingest.ray import OnRay

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from embed_plugin.protocols import TextEncoder

pytestmark = [pytest.mark.cluster, pytest.mark.usefixtures("cluster"), pytest.mark.xdist_group("cluster")]

TWO = OnRay(workers=2)
NOTES = [Record(str(number), f"text {number}") for number in range(20)]


@pytest.fixture
def model(tiny_model: Callable[..., Path], tmp_path: Path) -> Path:
    """A model folder of the test's own."""
    return shutil.copytree(tiny_model(), tmp_path / "model")


@contextmanager
def collection(*, poison: str | None = None, settings: CollectionSettings | None = None) -> Iterator[QdrantSink]:
    """A collection of a server of its own."""
    with misbehaving_qdrant(poison=poison) as (url, _), open_sink(url, "notes", settings=settings) as sink:
        yield sink


def content(sink: QdrantSink) -> dict[str, Any]:
    """Every point with all that is in it, vectors bit for bit."""
    assert isinstance(sink._backend, ClientBackend)
    points, _ = sink._backend.client.scroll("notes", limit=100_000, with_payload=True, with_vectors=True)
    return {str(point.id): (point.payload, point.vector) for point in points}


def counts(summary: IngestSummary) -> dict[str, object]:
    """The counts; a cluster embeds again the texts whose vectors one process takes from other points."""
    other = {"seconds", "texts_per_second", "tokens", "unknown_tokens", "embedded", "reused"}
    same = {name: value for name, value in asdict(summary).items() if name not in other}
    return {**same, "stored": summary.embedded + summary.reused}


def test_every_point_is_the_local_engines_bit_for_bit_and_so_is_the_summary(model: Path) -> None:
    encoder = Encoder.load(model)
    with collection() as one, collection() as other:
        for version in range(3):
            here = ingest(records(version), encoder, one, settings=SETTINGS)
            there = ingest(records(version), encoder, other, settings=SETTINGS, workers=TWO)
            assert counts(there) == counts(here)
            assert content(other) == content(one)
        assert here.removed


def test_sparse_and_token_vectors_are_made_by_the_workers_too(model: Path, tmp_path: Path) -> None:
    sparse = SparseEncoder.load(exported(checkpoint_of("splade-roberta", tmp_path / "splade-roberta"), tmp_path / "s"))
    both = CollectionSettings(sparse=sparse, late=FakeLateInteractionEncoder(8))
    encoder = Encoder.load(model)
    with collection(settings=both) as one, collection(settings=both) as other:
        here = ingest(records(0), encoder, one, settings=SETTINGS)
        there = ingest(records(0), encoder, other, settings=SETTINGS, workers=TWO)
        assert counts(there) == counts(here)
        assert content(other) == content(one)


def test_workers_that_are_killed_are_replaced_and_nothing_is_lost(model: Path) -> None:
    encoder = WitnessedEncoder.load(model)
    killed: set[int] = set()

    def kill(summary: IngestSummary) -> None:
        if summary.records in {8, 80, 160}:
            for process in witnesses(model.parent) - killed:
                with suppress(ProcessLookupError):
                    os.kill(process, signal.SIGKILL)
                    killed.add(process)

    with collection() as one, collection() as other:
        here = ingest(records(0), Encoder.load(model), one, settings=SETTINGS)
        there = ingest(records(0), encoder, other, settings=SETTINGS, observer=Observer(kill), workers=TWO)
        assert content(other) == content(one)
    assert len(killed) >= 3
    assert len(witnesses(model.parent)) > len(killed)
    assert (there.records, there.chunks, there.empty) == (here.records, here.chunks, here.empty)
    # What a worker had stored before it died is found there by the next one.
    assert there.embedded + there.unchanged == here.embedded


def test_a_machine_that_goes_is_made_up_for_by_the_others(model: Path, cluster: Any) -> None:  # noqa: ANN401 - Ray's
    machines = [cluster.add_node(num_cpus=2)]
    every_machine = OnRay(workers=3, cpus=2)

    def remove_one(_: IngestSummary) -> None:
        if machines and len(witnesses(model.parent)) == 3:
            cluster.remove_node(machines.pop(), allow_graceful=False)

    encoder = WitnessedEncoder.load(model)
    with collection() as one, collection() as other:
        here = ingest(records(0), Encoder.load(model), one, settings=SETTINGS)
        there = ingest(
            records(0), encoder, other, settings=SETTINGS, observer=Observer(remove_one), workers=every_machine
        )
        assert content(other) == content(one)
    assert not machines
    assert there.chunks == here.chunks
    while sum(node["Alive"] for node in ray.nodes()) > 2:  # until the cluster has noticed, for the tests that follow
        time.sleep(0.1)


def test_a_window_that_kills_every_worker_ends_the_run_saying_so() -> None:
    encoder = DeadlyEncoder()
    with collection() as sink, pytest.raises(ClusterError, match="lost 4 times with the worker"):
        ingest([*NOTES, Record("x", "deadly")], encoder, sink, settings=IngestSettings(window_records=5), workers=TWO)


def test_what_is_rejected_is_what_the_local_engine_rejects() -> None:
    source: list[Record | Rejected] = [
        *NOTES,
        Record("3", "again", place="x.jsonl:9"),
        Record("p", "poison"),
        Record("long", "word " * 90),
        Rejected("no text", "x.jsonl:7", "unread"),
        Record("uncut", "☃"),
    ]
    told: list[list[Rejected]] = []
    for workers in ({}, {"workers": TWO}):
        letters: list[Rejected] = []
        with collection(poison="poison") as sink:
            ingest(
                source,
                SnowmanEncoder(),
                sink,
                settings=IngestSettings(window_records=4),
                observer=Observer(on_rejected=letters.extend),
                **workers,
            )
            told.append(sorted((replace(one, reason=one.reason.replace(sink.target, "")) for one in letters), key=repr))
    assert told[0] == told[1]
    assert {one.source_id for one in told[0]} == {"3", "p", "unread", "uncut"}
    assert all(one.record for one in told[0] if one.source_id == "p")


@pytest.mark.parametrize("max_delete", [0.1, 0.5])
def test_a_mirror_removes_and_refuses_as_the_local_engine_does(max_delete: float) -> None:
    settings = IngestSettings(mirror=True, max_delete=max_delete, window_records=3)
    with collection() as one, collection() as other:
        for sink in (one, other):
            ingest(NOTES, FakeEncoder(), sink)
        here = ingest(NOTES[5:], FakeEncoder(), one, settings=settings)
        there = ingest(NOTES[5:], FakeEncoder(), other, settings=settings, workers=TWO)
        assert counts(there) == counts(here)
        assert content(other) == content(one)
        assert (there.mirror_refused is not None, other.count()) == ((True, 20) if max_delete == 0.1 else (False, 15))


def test_a_dry_run_finds_what_the_local_engine_finds_and_writes_nothing() -> None:
    dry = IngestSettings(dry_run=True, window_records=3, mirror=True)
    changed = [Record("0", "another"), *NOTES[1:15], Record("new", "text")]
    with collection() as sink:
        assert counts(ingest(NOTES, FakeEncoder(), sink, settings=dry, workers=TWO))["embedded"] == 20
        assert sink.collections() == []
        ingest(NOTES, FakeEncoder(), sink)
        here, there = (
            ingest(changed, FakeEncoder(), sink, settings=dry, **chosen)  # type: ignore[arg-type]
            for chosen in ({}, {"workers": TWO})
        )
        assert counts(there) == counts(here)
        assert sink.count() == 20


def test_a_bulk_load_is_ended_by_the_run_and_not_by_a_worker() -> None:
    settings, by_two = CollectionSettings(bulk_load=True), IngestSettings(window_records=2)
    with misbehaving_qdrant() as (url, server):
        told: list[int | None] = []
        observer = Observer(lambda _: told.append(server.indexing_threshold))
        with open_sink(url, "notes", settings=settings) as sink:
            ingest(NOTES, FakeEncoder(), sink, settings=by_two, observer=observer, workers=TWO)
        assert set(told) == {0}
        assert server.indexing_threshold


def test_a_collection_of_another_model_is_refused() -> None:
    with collection() as sink:
        ingest(NOTES, FakeEncoder(), sink)
        with pytest.raises(SpaceMismatchError):
            ingest(NOTES, FakeEncoder(fingerprint="other"), sink, workers=TWO)


def test_another_model_at_the_same_path_is_refused_where_it_is(model: Path, tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(model)
    shutil.rmtree(model)
    shutil.copytree(tiny_model(precision="fp32"), model)
    with collection() as sink:
        with pytest.raises(
            ModelFolderError, match=r"^on the machine .* holds another model than when it was first"
        ) as caught:
            ingest(NOTES, encoder, sink, workers=TWO)
        assert caught.type is ModelFolderError
        assert sink.count() == 0


def test_a_server_that_is_too_busy_is_the_same_error_as_without_a_cluster() -> None:
    retry = RetrySettings(give_up_after_seconds=0.2, first_wait_seconds=0.05)
    one_by_one = IngestSettings(window_records=1)
    with misbehaving_qdrant() as (url, server):
        backend = ClientBackend(open_client(url, prefer_grpc=False), target=url, retry=retry)
        observer = Observer(lambda _: server.faults.extend([Refuse(503)] * 1000))
        with QdrantSink(backend, "notes") as sink, pytest.raises(TargetError, match=f"{url} refused: 503") as caught:
            ingest(NOTES, FakeEncoder(), sink, settings=one_by_one, observer=observer, workers=TWO)
    assert type(caught.value) is TargetError


def test_what_only_one_process_may_open_is_refused(tmp_path: Path) -> None:
    for target in (":memory:", str(tmp_path / "qdrant")):
        with open_sink(target, "notes") as sink, pytest.raises(TargetError, match="open in one process only"):
            ingest(NOTES, FakeEncoder(), sink, workers=TWO)


def test_more_workers_than_the_cluster_has_room_for_are_refused() -> None:
    with collection() as sink, pytest.raises(ClusterError, match="room for 2 workers of 2 CPUs, and 3 were asked for"):
        ingest(NOTES, FakeEncoder(), sink, workers=OnRay(workers=3, cpus=2))
    with collection() as sink, pytest.raises(ClusterError, match="room for 0 workers of 3 CPUs, and 1"):
        ingest(NOTES, FakeEncoder(), sink, workers=OnRay(cpus=3))
    with pytest.raises(InvalidInputError, match="0 workers"):
        OnRay(workers=0)


def test_where_reading_ends_early_what_is_under_way_is_stored(model: Path) -> None:
    encoder: TextEncoder = Encoder.load(model)

    def stopped() -> Iterator[Record]:
        yield from NOTES[:12]
        raise KeyboardInterrupt

    with collection() as sink:
        with pytest.raises(KeyboardInterrupt):
            ingest(stopped(), encoder, sink, settings=IngestSettings(window_records=2), workers=TWO)
        assert sink.count() == 12

"""A sink is sent to workers with its models, which run there on the CPUs that the worker has."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import pytest

from embed_plugin import SparseEncoder
from embed_plugin.errors import TargetError
from embed_plugin.ingest import CollectionSettings, QdrantSink, open_sink
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder
from support.misbehaving_qdrant import misbehaving_qdrant
from support.sparse_checkpoints import checkpoint_of, exported

if TYPE_CHECKING:
    from pathlib import Path

lazy_encoder = pytest.importorskip("embed_plugin.ingest.ray.lazy_encoder", exc_type=ImportError)


def test_the_models_of_a_sink_arrive_with_the_workers_cpus(tmp_path: Path) -> None:
    sparse = SparseEncoder.load(exported(checkpoint_of("splade-queries", tmp_path / "splade-queries"), tmp_path / "m"))
    settings = CollectionSettings(sparse=sparse, late=FakeLateInteractionEncoder(8))
    with misbehaving_qdrant() as (url, _), open_sink(url, "c", settings=settings) as sink:
        sink.prepare(FakeEncoder())
        sent = lazy_encoder.pickled_sink(sink, cpus=1)
        assert len(sent) < 5_000
        arrived = pickle.loads(sent)  # noqa: S301 - our own
        assert isinstance(arrived, QdrantSink)
        with arrived:
            model = arrived._settings.sparse_model
            assert isinstance(model, SparseEncoder)
            assert (model.settings.workers, model.settings.on_other_cpu) == (1, "error")
            assert (model.fingerprint, arrived._settings.late is None) == (sparse.fingerprint, False)
            assert arrived.check(FakeEncoder())


def test_a_folder_is_for_one_process_whatever_its_models() -> None:
    settings = CollectionSettings(late=FakeLateInteractionEncoder(8))
    with open_sink(":memory:", "c", settings=settings) as sink, pytest.raises(TargetError, match="one process only"):
        lazy_encoder.pickled_sink(sink, cpus=1)

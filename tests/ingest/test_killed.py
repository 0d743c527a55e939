"""A real run on a real engine is killed at a hundred random moments; in the end nothing is lost and nothing twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Self

import pytest

from embed_plugin import Encoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.ingest import StoredChunk, ingest, open_sink, verify
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from support.killable_run import PREFIX, SETTINGS, SPARSE_GERMAN, records, settings_of
from support.sparse_checkpoints import REFERENCES, checkpoint_of, exported

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

KILLS = 100
VERSIONS = 10
LONGER, SHORTER = 1.02, 0.9
"""The longest time to a kill grows with each kill and shrinks with each run that ended before: one in six does, on a
machine of any speed."""


class Runs:
    """Starts runs, one at a time, and kills them."""

    def __init__(self, model: Path, target: str, log: Path, *others: str) -> None:
        script = Path(__file__).parents[1] / "support" / "killable_run.py"
        command = [sys.executable, str(script), str(model), target, str(log), *others]
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.process.communicate()

    def run(self, version: int, *, kill_after: float | None = None) -> int:
        """Start a run, and kill it after so many seconds; returns its exit status, as ``os.waitpid`` has it."""
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.write(f"{version}\n")
        self.process.stdin.flush()
        child = int(self.process.stdout.readline())
        if kill_after is not None:
            time.sleep(kill_after)
            with suppress(ProcessLookupError):  # it was done already
                os.kill(child, signal.SIGKILL)
        return int(self.process.stdout.readline())


def content(target: str, model: Path) -> dict[str, StoredChunk]:
    with open_sink(target, "killed") as sink:
        assert verify(Encoder.load(model, document_prefix=PREFIX), sink).is_sound
        return {chunk.id: chunk for page in sink.scan() for chunk in page}


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


@pytest.mark.parametrize("engine", ["", "edge:"])
def test_a_run_killed_at_a_hundred_moments_loses_nothing_and_repeats_nothing(
    engine: str, model: Path, tmp_path: Path
) -> None:
    log, target, undisturbed = tmp_path / "log", f"{engine}{tmp_path / 'killed'}", str(tmp_path / "calm")
    moments, longest, killed = random.Random(5), 0.3, 0  # noqa: S311 - moments
    with Runs(model, target, log) as runs:
        while killed < KILLS:
            status = runs.run(killed * VERSIONS // KILLS, kill_after=moments.uniform(0, longest))
            assert status in {0, signal.SIGKILL}
            killed += status == signal.SIGKILL
            longest *= LONGER if status else SHORTER
        assert runs.run(VERSIONS) == 0
    with open_sink(undisturbed, "killed") as sink:
        encoder = Encoder.load(model, document_prefix=PREFIX)
        chunks = ingest(records(VERSIONS), encoder, sink, settings=SETTINGS).chunks
    stored = content(target, model)
    assert stored == content(undisturbed, model)
    assert len(stored) == chunks
    assert {bool(chunk.fields) for chunk in stored.values()} == {True, False}
    embedded = Counter(log.read_text().split())
    assert max(embedded.values()) <= KILLS + 1


def words_stored(target: str) -> dict[str, Any]:
    """The sparse vector of each point, in qdrant-client's local mode."""
    with open_sink(target, "killed") as sink:
        assert isinstance(sink._backend, ClientBackend)
        points, _ = sink._backend.client.scroll("killed", limit=10_000, with_vectors=["bm25"], with_payload=False)
        return {str(point.id): point.vector for point in points}


def test_a_killed_run_with_sparse_vectors_of_a_language_ends_like_an_undisturbed_one(
    model: Path, tmp_path: Path
) -> None:
    log, target, undisturbed = tmp_path / "log", str(tmp_path / "killed"), str(tmp_path / "calm")
    moments, killed, kills = random.Random(7), 0, 8  # noqa: S311 - moments
    longest = 0.3
    with Runs(model, target, log, "german") as runs:
        while killed < kills:
            status = runs.run(0, kill_after=moments.uniform(0, longest))
            killed += status == signal.SIGKILL
            longest *= LONGER if status else SHORTER
        assert runs.run(0) == 0
    with open_sink(undisturbed, "killed", settings=SPARSE_GERMAN) as sink:
        ingest(records(0), Encoder.load(model, document_prefix=PREFIX), sink, settings=SETTINGS)
    assert content(target, model) == content(undisturbed, model)
    stored = words_stored(target)
    assert stored == words_stored(undisturbed)
    assert all(vector["bm25"].indices for vector in stored.values())
    assert max(Counter(log.read_text().split()).values()) <= kills + 1
    with open_sink(target, "killed", settings=SPARSE_GERMAN) as sink:
        assert ingest(records(0), Encoder.load(model, document_prefix=PREFIX), sink, settings=SETTINGS).embedded == 0


@pytest.fixture(scope="session")
def other_models(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The folders of a sparse encoder and of a late-interaction one."""
    made = tmp_path_factory.mktemp("others")
    sparse = exported(checkpoint_of("splade-roberta", made / "splade-roberta"), made / "sparse")
    export(str(REFERENCES / "colbert"), made / "late", ExportSettings(precision="fp32"))
    return str(sparse), str(made / "late")


def all_vectors(target: str, others: tuple[str, str]) -> dict[str, dict[str, Any]]:
    """The sparse and the token vectors of every point, by name and id."""
    with open_sink(target, "killed", settings=settings_of(*others)) as sink:
        ids = [chunk.id for page in sink.scan() for chunk in page]
        found = {name: sink._backend.other_vectors("killed", ids, name) for name in ("sparse", "late")}
    assert [len(vectors) for vectors in found.values()] == [len(ids)] * 2
    return {**found, "late": {one: vector.tobytes() for one, vector in found["late"].items()}}  # type: ignore[union-attr]


@pytest.mark.parametrize("engine", ["", "edge:"])
def test_a_killed_run_of_dense_sparse_and_token_vectors_ends_like_an_undisturbed_one(
    engine: str, model: Path, other_models: tuple[str, str], tmp_path: Path
) -> None:
    log, target, undisturbed = tmp_path / "log", f"{engine}{tmp_path / 'killed'}", f"{engine}{tmp_path / 'calm'}"
    moments, killed, kills, longest = random.Random(9), 0, 12, 1.0  # noqa: S311 - moments
    with Runs(model, target, log, *other_models) as runs:
        while killed < kills:
            status = runs.run(killed * 2 // kills, kill_after=moments.uniform(0, longest))
            assert status in {0, signal.SIGKILL}
            killed += status == signal.SIGKILL
            longest *= LONGER if status else SHORTER
        assert runs.run(2) == 0
    encoder = Encoder.load(model, document_prefix=PREFIX)
    with open_sink(undisturbed, "killed", settings=settings_of(*other_models)) as sink:
        ingest(records(2), encoder, sink, settings=SETTINGS)
    assert content(target, model) == content(undisturbed, model)
    assert all_vectors(target, other_models) == all_vectors(undisturbed, other_models)
    assert max(Counter(log.read_text().split()).values()) <= kills + 1
    with open_sink(target, "killed", settings=settings_of(*other_models)) as sink:
        assert ingest(records(2), encoder, sink, settings=SETTINGS).embedded == 0
        verified = verify(encoder, sink)
    assert (verified.is_sound, set(verified.least_cosines)) == (True, {"sparse", "late"})

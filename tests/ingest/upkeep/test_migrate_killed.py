"""A real migration of sparse and token vectors is killed at random moments, and ends like an undisturbed one."""

from __future__ import annotations

import random
import signal
from typing import TYPE_CHECKING, Any

import pytest

from embed_plugin import Encoder
from embed_plugin.export import ExportSettings, export
from embed_plugin.ingest import ingest, migrate, open_sink, search, verify
from embed_plugin.ingest.stores.qdrant.backend import other_vector_names
from ingest.test_killed import LONGER, SHORTER, Runs
from support.killable_run import PREFIX, SETTINGS, records, settings_of
from support.sparse_checkpoints import REFERENCES, checkpoint_of, exported

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

KILLS = 6


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """The folders of a sparse encoder and of a late-interaction one."""
    made = tmp_path_factory.mktemp("others")
    sparse = exported(checkpoint_of("splade-roberta", made / "splade-roberta"), made / "sparse")
    export(str(REFERENCES / "colbert"), made / "late", ExportSettings(precision="fp32"))
    return str(sparse), str(made / "late")


def stored(target: str, name: str, encoder: Encoder, others: tuple[str, str]) -> dict[str, Any]:
    """Every payload and vector of a sound collection, and the models' fingerprints."""
    with open_sink(target, name, settings=settings_of(*others)) as sink:
        verified = verify(encoder, sink)
        assert (verified.is_sound, set(verified.least_cosines)) == (True, {"sparse", "late"})
        chunks = {chunk.id: chunk for page in sink.scan() for chunk in page}
        description = sink._backend.describe(name)
        assert description
        assert description.identity
        found = {
            kind: sink._backend.other_vectors(name, list(chunks), one)
            for kind, one in other_vector_names(description.identity).items()
        }
        assert [len(vectors) for vectors in found.values()] == [len(chunks)] * 2
        late = {one: vector.tobytes() for one, vector in found["late"].items()}  # type: ignore[union-attr]
        facts = description.identity.metadata()["embed_plugin"]
    return {"chunks": chunks, "sparse": found["sparse"], "late": late, "identity": facts}


@pytest.mark.parametrize("engine", ["", "edge:"])
@pytest.mark.parametrize("kind", ["migrate", "copy"])
def test_a_killed_migration_ends_like_an_undisturbed_one_and_embeds_no_text_for_the_dense_vector(
    engine: str, kind: str, tiny_model: Callable[..., Path], others: tuple[str, str], tmp_path: Path
) -> None:
    model, log = tiny_model(), tmp_path / "log"
    encoder = Encoder.load(model, document_prefix=PREFIX)
    target, undisturbed = f"{engine}{tmp_path / 'killed'}", f"{engine}{tmp_path / 'calm'}"
    for place in (target, undisturbed):
        with open_sink(place, "killed") as sink:
            ingest(records(0), encoder, sink, settings=SETTINGS)
    moments, killed, longest = random.Random(3), 0, 1.0  # noqa: S311 - moments
    with Runs(model, target, log, kind, *others) as runs:
        while killed < KILLS:
            status = runs.run(0, kill_after=moments.uniform(0, longest))
            assert status in {0, signal.SIGKILL}
            killed += status == signal.SIGKILL
            longest *= LONGER if status else SHORTER
            with open_sink(target, "killed") as sink:
                assert search("b7", encoder, sink, limit=1)
        assert runs.run(0) == 0
    into = "copy" if kind == "copy" else None
    with open_sink(undisturbed, "killed", settings=settings_of(*others)) as sink:
        migrate(encoder, sink, into=into)
    assert stored(target, into or "killed", encoder, others) == stored(undisturbed, into or "killed", encoder, others)
    assert not log.exists()

"""The models of several kinds over one folder: what they share, and how often a text is run."""

from __future__ import annotations

import os
import pickle
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import CombinedEncoder, Encoder, EncoderSettings, LateInteractionEncoder, ModelFolderError
from embed_plugin.encode.kinds.one_pass import KeptResults
from embed_plugin.encode.kinds.sparse_encoder import SparseEncoder
from embed_plugin.errors import InvalidTextError
from embed_plugin.types import SparseVector
from export.references.texts import TEXTS as REFERENCE
from support.sparse_checkpoints import exported_m3

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = [*REFERENCE[3:6], "a"]
"""Of which the first three have words."""
ONE = EncoderSettings(workers=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return exported_m3(tmp_path_factory.mktemp("m3"))


@pytest.fixture
def combined(folder: Path) -> CombinedEncoder:
    return CombinedEncoder.load(folder, ONE)


def counted(combined: CombinedEncoder) -> list[int]:
    """The texts of each run from now on."""
    runs: list[int] = []
    combined.runtime.observe(lambda report: runs.append(report.texts))
    return runs


def same(found: list[Any], expected: list[Any]) -> None:
    for one, other in zip(found, expected, strict=True):
        if isinstance(one, SparseVector):
            assert one == other
        else:
            np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("role", ["documents", "queries"])
def test_a_text_is_run_once_and_each_kind_has_its_own_bits(combined: CombinedEncoder, folder: Path, role: str) -> None:
    parts = combined.encoder, combined.sparse, combined.late
    assert all(map(len, combined.sparse.encode_documents(TEXTS[:3])))
    alone = Encoder.load(folder, ONE), SparseEncoder.load(folder, ONE), LateInteractionEncoder.load(folder, ONE)
    runs = counted(combined)
    for part, expected in zip(parts, alone, strict=True):
        assert part.fingerprint == expected.fingerprint
        same(getattr(part, f"encode_{role}")(TEXTS), getattr(expected, f"encode_{role}")(TEXTS))
    assert sum(runs) == len(TEXTS)
    assert combined._kept.size_bytes == 0


def test_a_lone_text_is_run_once(combined: CombinedEncoder) -> None:
    encoder, sparse, late = combined.encoder, combined.sparse, combined.late
    runs = counted(combined)
    encoder.encode_queries(TEXTS[:1])
    sparse.encode_queries(TEXTS[:1])
    late.encode_queries(TEXTS[:1])
    assert runs == [1]
    late.encode_queries(TEXTS[:1])
    assert runs == [1, 1]


def test_only_what_was_not_run_is_run(combined: CombinedEncoder, folder: Path) -> None:
    encoder, sparse = combined.encoder, combined.sparse
    encoder.encode_documents(TEXTS[1:3])
    runs = counted(combined)
    asked = [*TEXTS, TEXTS[1]]
    same(sparse.encode_documents(asked), SparseEncoder.load(folder, ONE).encode_documents(asked))
    assert sum(runs) == 2


def test_what_no_model_asks_for_is_not_kept(combined: CombinedEncoder) -> None:
    combined.encoder.encode_documents(TEXTS)
    assert combined._kept.size_bytes == 0
    _ = combined.sparse
    combined.encoder.encode_documents(TEXTS)
    assert 0 < combined._kept.size_bytes < 10_000
    assert combined.encoder.runtime.most_kept_tokens is None  # type: ignore[attr-defined]
    _ = combined.late
    assert combined.encoder.runtime.most_kept_tokens == (512 << 20) // (4 * combined.spec.dimension)  # type: ignore[attr-defined]


def test_the_oldest_results_are_dropped_beyond_the_limit() -> None:
    kept = KeptResults(most_bytes=10_000)
    for number in range(9):
        kept.keep("late-interaction", [number], np.full((2, 200), number, np.float32))
    assert kept.size_bytes <= 10_000
    found = kept.take("late-interaction", [[0], [8], [8]])
    assert [(index, rows[0, 0]) for index, rows in found.items()] == [(1, 8), (2, 8)]
    assert kept.take("late-interaction", [[8]]) == {}


def test_a_text_that_the_model_refuses_has_its_own_index(combined: CombinedEncoder) -> None:
    encoder, sparse = combined.encoder, combined.sparse
    encoder.encode_documents(TEXTS[:1])
    run = combined.runtime.queue._run

    def picky(_: object) -> Any:  # noqa: ANN401 - as a session has it
        raise InvalidTextError(0, "is not taken")

    combined.runtime.queue._run = picky
    with pytest.raises(InvalidTextError, match="text 1"):
        sparse.encode_documents(TEXTS[:2])
    combined.runtime.queue._run = run
    assert len(sparse.encode_documents(TEXTS[:2])) == 2


def test_the_session_and_the_tokenizer_are_in_memory_once(folder: Path) -> None:
    encoder = Encoder.load(folder, ONE)
    late = LateInteractionEncoder.of_loaded(encoder)
    assert late.runtime.session._session is encoder.runtime.session._session
    assert late.runtime.tokenizer is encoder.runtime.tokenizer
    assert late.runtime.queue is not encoder.runtime.queue
    same(late.encode_documents(TEXTS), LateInteractionEncoder.load(folder, ONE).encode_documents(TEXTS))


def test_a_kind_that_the_folder_does_not_give_is_refused(tiny_encoder: Encoder) -> None:
    with pytest.raises(ModelFolderError, match="is an embedding model, expected a sparse encoder"):
        SparseEncoder.of_loaded(tiny_encoder)


def test_a_part_pickles_as_its_folder(combined: CombinedEncoder) -> None:
    copied = pickle.loads(pickle.dumps(combined.late))  # noqa: S301 - made in this line
    same(copied.encode_documents(TEXTS), combined.late.encode_documents(TEXTS))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_runs_texts_of_its_own(combined: CombinedEncoder) -> None:
    encoder, sparse = combined.encoder, combined.sparse
    encoder.encode_documents(TEXTS)
    child = os.fork()
    if child == 0:
        kept = combined._kept.size_bytes
        found = sparse.encode_documents(TEXTS)
        os._exit(0 if kept == 0 and len(found) == len(TEXTS) else 1)
    assert os.waitpid(child, 0)[1] == 0

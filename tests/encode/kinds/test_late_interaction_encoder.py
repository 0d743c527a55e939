"""Late-interaction encoders against PyLate's own vectors, in fp32 and INT8, alone and in batches."""

from __future__ import annotations

import asyncio
import pickle
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import (
    Encoder,
    EncoderSettings,
    InvalidInputError,
    InvalidTextError,
    LateInteractionEncoder,
    ModelFolderError,
)
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from embed_plugin.encode.kinds.token_pooling import pool_tokens
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.int8.kernel_graph import gives_same_bits
from embed_plugin.kernels import LIBRARY, here
from embed_plugin.model.folder import KERNEL_GRAPH
from export.references.late_families import DOCUMENTS, LATE_FAMILIES, QUERIES

if TYPE_CHECKING:
    import numpy.typing as npt

    Vectors = list[npt.NDArray[np.float32]]

REFERENCES = Path(__file__).parents[2] / "export" / "references"
LEAST_INT8 = 0.99
"""Random weights lose more than trained ones: this finds what is wrong, not what is worse."""
CASES = [(name, precision) for name in LATE_FAMILIES for precision in ("fp32", "int8")]


@pytest.fixture(scope="module", params=CASES, ids="-".join)
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str, Path]:
    """A family's name, a precision, and the exported folder."""
    name, precision = request.param
    folder = tmp_path_factory.mktemp("late") / "model"
    export(str(REFERENCES / name), folder, ExportSettings(precision=precision, min_cosine=0.9))
    return name, precision, folder


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One folder, in fp32."""
    folder = tmp_path_factory.mktemp("late") / "model"
    export(str(REFERENCES / "colbert"), folder, ExportSettings(precision="fp32"))
    return folder


def reference(name: str, of: str) -> Vectors:
    with np.load(REFERENCES / name / "vectors.npz") as stored:
        return np.split(stored[of], np.cumsum(stored[f"{of}_lengths"])[:-1])


def assert_near(found: Vectors, expected: Vectors, precision: str) -> None:
    assert [each.shape for each in found] == [each.shape for each in expected]
    cosines = np.concatenate([(one * other).sum(axis=1) for one, other in zip(found, expected, strict=True)])
    assert cosines.min() >= 0.99999 if precision == "fp32" else cosines.mean() >= LEAST_INT8
    assert {each.dtype for each in found} == {np.dtype(np.float32)}


def assert_same(found: Vectors, expected: Vectors) -> None:
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one, other)


def test_documents_and_queries_are_what_pylate_computes(exported: tuple[str, str, Path]) -> None:
    name, precision, folder = exported
    encoder = LateInteractionEncoder.load(folder)
    assert_near(encoder.encode_documents(DOCUMENTS), reference(name, "documents"), precision)
    assert_near(encoder.encode_queries(QUERIES), reference(name, "queries"), precision)


def test_vectors_depend_on_the_text_alone(exported: tuple[str, str, Path]) -> None:
    folder = exported[2]
    large = LateInteractionEncoder.load(folder, EncoderSettings(workers=2, token_budget=4096))
    small = LateInteractionEncoder.load(folder, EncoderSettings(workers=1, token_budget=30))
    both = [*QUERIES, *DOCUMENTS]
    for encode in ("encode_documents", "encode_queries"):
        together = getattr(large, encode)(both * 3)[: len(both)]
        assert_same(getattr(small, encode)(both), together)
        assert_same([getattr(large, encode)([text])[0] for text in both], together)


@pytest.mark.skipif(not LIBRARY.is_file(), reason="the kernels were not built")
def test_own_kernels_compute_the_same_bits_with_every_instruction_set(
    exported: tuple[str, str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    _, precision, folder = exported
    if precision == "fp32":
        pytest.skip("fp32 has no graph for own kernels")
    assert gives_same_bits(folder / KERNEL_GRAPH)
    found = []
    for name in here():
        monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, name)
        encoder = LateInteractionEncoder.load(folder, EncoderSettings(on_other_cpu="error"))
        assert encoder.runtime.session.platform.kernels == name
        found.append(encoder.encode_queries(QUERIES) + encoder.encode_documents(DOCUMENTS))
    for each in found[1:]:
        assert_same(each, found[0])


def test_streams_and_coroutines_give_the_same(model: Path) -> None:
    encoder = LateInteractionEncoder.load(model, EncoderSettings(window_texts=3))
    documents, queries = encoder.encode_documents(DOCUMENTS, pool_factor=2), encoder.encode_queries(QUERIES)
    assert_same(list(encoder.stream_documents(iter(DOCUMENTS), pool_factor=2)), documents)
    assert_same(list(encoder.stream_queries(iter(QUERIES))), queries)
    assert_same(asyncio.run(encoder.aencode_documents(DOCUMENTS, pool_factor=2)), documents)
    assert_same(asyncio.run(encoder.aencode_queries(QUERIES)), queries)
    assert_same(pickle.loads(pickle.dumps(encoder)).encode_queries(QUERIES), queries)  # noqa: S301 - its own
    assert_same([pool_tokens(each, 2) for each in encoder.encode_documents(DOCUMENTS)], documents)
    assert encoder.encode_documents([]) == []


@pytest.mark.parametrize(
    ("texts", "factor", "error", "message"),
    [
        ("a", 1, InvalidInputError, r"pass \[text\]"),
        (["a", 7], 1, InvalidTextError, "text 1: is a int"),
        (["\ud800"], 1, InvalidTextError, "lone surrogate"),
        (["a"], 0, InvalidInputError, "pool_factor is 0; expected a whole number"),
        (["a"], True, InvalidInputError, "pool_factor is True"),
    ],
)
def test_bad_input_is_refused(model: Path, texts: Any, factor: Any, error: type[Exception], message: str) -> None:  # noqa: ANN401
    with pytest.raises(error, match=message):
        LateInteractionEncoder.load(model).encode_documents(texts, pool_factor=factor)


def test_long_texts_are_refused_by_their_own_limit(model: Path) -> None:
    encoder = LateInteractionEncoder.load(model, EncoderSettings(on_long="error"))
    text = "one two three four " * 8
    with pytest.raises(InvalidTextError, match="text 1: has more than the 20 tokens that a query"):
        encoder.encode_queries(["a", text])
    with pytest.raises(InvalidTextError, match="more than the 36 tokens that a document"):
        encoder.encode_documents([text * 2])


def test_the_encoder_of_single_vectors_names_the_class(model: Path) -> None:
    with pytest.raises(ModelFolderError, match=r"late-interaction model.*embed_plugin\.LateInteractionEncoder"):
        Encoder.load(model)

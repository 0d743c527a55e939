"""Every family of rerankers against sentence-transformers' CrossEncoder, in fp32 and INT8, alone and in batches."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from embed_plugin import EncoderSettings, Reranker, kernels, read_model_folder
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from embed_plugin.export import ExportSettings, export
from embed_plugin.kernels import DOMAIN
from embed_plugin.model.folder import KERNEL_GRAPH
from export.references.rerankers.pairs import PAIRS

if TYPE_CHECKING:
    import numpy.typing as npt

REFERENCES = Path(__file__).parents[1] / "references" / "rerankers"
FAMILIES = sorted(path.parent.name for path in REFERENCES.glob("*/config.json"))
LEAST_INT8 = 0.97
"""Least correlation: random weights lose more than trained ones. This finds what is wrong, not what is worse."""


@pytest.fixture(scope="module", params=FAMILIES)
def family(request: pytest.FixtureRequest) -> Path:
    return REFERENCES / str(request.param)


@pytest.fixture(scope="module")
def folders(family: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The family exported in both precisions."""
    made = {}
    for precision in ("fp32", "int8"):
        made[precision] = tmp_path_factory.mktemp(family.name) / precision
        export(str(family), made[precision], ExportSettings(precision=precision, min_cosine=0.5))
    return made


def reference(family: Path) -> dict[str, npt.NDArray[Any]]:
    with np.load(family / "pairs.npz") as stored:
        return dict(stored)


def test_pairs_have_the_tokens_and_segments_of_transformers(family: Path, folders: dict[str, Path]) -> None:
    reranker, expected = Reranker.load(folders["fp32"]), reference(family)
    words = int(str(reranker.spec.facts["second_segment"]))
    ends = np.cumsum(expected["lengths"])[:-1]
    found = reranker.pairs.tokenise(PAIRS)
    pairs = zip(found.ids, np.split(expected["ids"], ends), np.split(expected["segments"], ends), strict=True)
    for ids, expected_ids, segments in pairs:
        np.testing.assert_array_equal(np.array(ids), expected_ids.astype(int) + words * segments.astype(int))
    assert (words > 0) == (family.name in {"bert", "electra"})
    assert len(found.cut) > len(PAIRS) // 5


def test_fp32_is_what_the_cross_encoder_computes(family: Path, folders: dict[str, Path]) -> None:
    large, small, expected = *rerankers(folders["fp32"]), reference(family)
    scores = large.score_pairs(PAIRS)
    assert expected["logits"].std() > 0.1
    np.testing.assert_allclose(scores, expected["scores"], atol=2e-5, rtol=2e-5)
    alone_and_in_small_batches(large, small, scores)


def test_int8_is_near_and_depends_on_the_pair_alone(family: Path, folders: dict[str, Path]) -> None:
    large, small, expected = *rerankers(folders["int8"]), reference(family)
    scores = large.score_pairs(PAIRS)
    assert np.corrcoef(scores, expected["scores"])[0, 1] >= LEAST_INT8
    alone_and_in_small_batches(large, small, scores)


def test_every_instruction_set_computes_the_same_bits(
    folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = Reranker.load(folders["int8"]).score_pairs(PAIRS[::5])
    for name in kernels.here():
        monkeypatch.setenv(INSTRUCTION_SET_VARIABLE, name)
        reranker = Reranker.load(folders["int8"], EncoderSettings(on_other_cpu="error"))
        assert reranker.runtime.session.platform.has_own_kernels
        np.testing.assert_array_equal(reranker.score_pairs(PAIRS[::5]), expected)


def test_a_tanh_in_float64_is_the_same_everywhere_and_a_gelu_may_not_be(family: Path, folders: dict[str, Path]) -> None:
    is_exact = read_model_folder(folders["int8"]).checked_on.exact
    assert is_exact == (family.name not in {"deberta-v3", "electra", "modernbert"})


def test_own_kernels_do_all_products_and_attention(family: Path, folders: dict[str, Path]) -> None:
    nodes = onnx.load(folders["int8"] / KERNEL_GRAPH, load_external_data=False).graph.node
    others = {node.op_type for node in nodes if node.domain != DOMAIN}
    others -= {"Attention", "MatMul"} if family.name == "deberta-v3" else set()  # scores have terms of each token
    assert not others & {"If", "Attention", "MultiHeadAttention", "MatMul", "LayerNormalization", "RMSNormalization"}


def rerankers(folder: Path) -> tuple[Reranker, Reranker]:
    """With two workers, and with one and batches of a few tokens."""
    return (
        Reranker.load(folder, EncoderSettings(workers=2)),
        Reranker.load(folder, EncoderSettings(token_budget=30, workers=1)),
    )


def alone_and_in_small_batches(large: Reranker, small: Reranker, scores: npt.NDArray[np.float32]) -> None:
    np.testing.assert_array_equal(small.score_pairs(PAIRS), scores)
    np.testing.assert_array_equal(np.concatenate([large.score_pairs([pair]) for pair in PAIRS[::7]]), scores[::7])

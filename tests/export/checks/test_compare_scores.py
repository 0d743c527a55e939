from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import QualityFloorError, read_model_folder
from embed_plugin.export.checks.compare_scores import compare_scores

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

IDS = [np.array([[2, 10 + index, 3, 400 + 2 * index, 387]]) for index in range(30)]


def test_errors_are_parts_of_the_spread_of_fp32(tiny_reranker: Callable[..., Path]) -> None:
    found = compare_scores(tiny_reranker("fp32"), tiny_reranker("int8"), {"a": IDS[:20], "b": IDS[20:]})
    assert [(each.kind, each.pairs) for each in found.kinds] == [("a", 20), ("b", 10)]
    assert 0 < found.error < 0.5
    assert 0.9 < found.rank_correlation < 1
    squares = [each.pairs * each.error**2 for each in found.kinds]
    assert sum(squares) / 30 == pytest.approx(found.error**2)
    assert all(each.largest_error >= each.error for each in found.kinds)


def test_equal_models_have_no_error(tiny_reranker: Callable[..., Path]) -> None:
    found = compare_scores(tiny_reranker("fp32"), tiny_reranker("fp32"), {"a": IDS})
    assert found.error == 0
    assert found.rank_correlation == pytest.approx(1)


def test_a_rank_correlation_below_the_floor_is_refused(tiny_reranker: Callable[..., Path]) -> None:
    found = compare_scores(tiny_reranker("fp32"), tiny_reranker("int8"), {"a": IDS[:20], "b": IDS[20:]})
    found.require(found.rank_correlation)
    with pytest.raises(QualityFloorError, match=r"rank correlation with fp32 is 0\.9\d+ on 30 pairs, .*--min-cosine"):
        found.require(found.rank_correlation + 1e-6)


def test_scores_without_spread_are_refused(tiny_reranker: Callable[..., Path]) -> None:
    with pytest.raises(QualityFloorError, match="all pairs have the same score"):
        compare_scores(tiny_reranker("fp32"), tiny_reranker("int8"), {"a": IDS[:1] * 3})


def test_the_manifest_has_the_figures(tiny_reranker: Callable[..., Path]) -> None:
    comparison = read_model_folder(tiny_reranker("int8")).provenance["comparison"]
    assert json.loads(json.dumps(comparison)).keys() >= {"pairs", "rank_correlation", "error", "spread", "kinds"}

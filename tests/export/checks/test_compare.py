from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import QualityFloorError
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export.checks.compare import Comparison, KindComparison, compare, encode_all

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import numpy.typing as npt

GOOD = KindComparison("long", 40, 0.999, 0.998, 0.997)
SHORT = ["the cat", "a dog", "red", "open the house"]
LONG = ["the cat sat on the mat and ran fast " * 4, "read and write the file line of text " * 3]


def token_ids(folder: Path, texts: list[str]) -> list[npt.NDArray[np.int64]]:
    tokenizer = TextTokenizer(folder / "tokenizer.json", max_tokens=64)
    return [np.array([ids], np.int64) for ids in tokenizer.tokenise(texts, prefix="", first_index=0).ids]


def test_each_kind_has_its_own_figures(tiny_model: Callable[..., Path]) -> None:
    int8, fp32 = (tiny_model(precision=precision) for precision in ("int8", "fp32"))
    inputs = {"short": token_ids(fp32, SHORT), "long": token_ids(fp32, LONG)}
    found = compare(fp32, int8, inputs)
    both = [np.sum(np.array(encode_all(int8, ids)) * encode_all(fp32, ids), axis=1) for ids in inputs.values()]
    assert [(each.kind, each.texts) for each in found.kinds] == [("short", 4), ("long", 2)]
    for each, cosines in zip(found.kinds, both, strict=True):
        figures = (cosines.mean(), np.quantile(cosines, 0.01), cosines.min())
        assert (each.mean_cosine, each.quantile_1, each.least_cosine) == pytest.approx(figures, abs=1e-6)
    assert (found.texts, found.least_cosine) == (6, min(each.least_cosine for each in found.kinds))
    assert found.mean_cosine == pytest.approx(np.concatenate(both).mean(), abs=1e-6)


def test_the_floor_holds_for_every_kind() -> None:
    found = Comparison(60, 0.998, 0.99, 0.94, [GOOD, KindComparison("queries", 20, 0.9712, 0.95, 0.94)])
    found.require(0.97)
    with pytest.raises(
        QualityFloorError, match=r"0\.9712 on the kind 'queries' \(20 texts, 1 % quantile 0\.9500, least 0\.9400\)"
    ):
        found.require(0.98)
    replace(found, kinds=[GOOD]).require(0.998)

"""The numpy encoder that ways of rounding are tried on, and the rounding."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from conftest import make_checkpoint
from embed_plugin import Encoder
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export import ExportSettings, export
from lib.bert_numpy import EXACT, Bert, attend_bf16, attend_exactly
from lib.int8_rounding import by_descent, by_gptq, clipped_scales, nearest, per_token, per_token_in_groups
from lib.int8_ways import DEFAULT, Columns, Kitchen, Recipe, choose_columns, measure, rotations, turned

if TYPE_CHECKING:
    from pathlib import Path

    from lib.int8_rounding import WeightRounding

TEXTS = [[5, 9, 11, 6], [5, 6], [5, 12, 13, 14, 15, 16, 6], [5, 20, 7, 6]]


@pytest.fixture
def bert(tmp_path: Path) -> Bert:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", layer_norm_eps=1e-12)
    return Bert(checkpoint / "model.safetensors", layers=2, heads=1)


def test_the_numpy_encoder_computes_what_the_exported_graph_does(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", layer_norm_eps=1e-12)
    export(str(checkpoint), tmp_path / "fp32", ExportSettings(precision="fp32"))
    encoder = Encoder.load(tmp_path / "fp32")
    texts = ["the cat sat", "open red houses fast ?", "a"]
    tokenizer = TextTokenizer(tmp_path / "fp32" / "tokenizer.json", max_tokens=16)
    ids = [list(each) for each in tokenizer.tokenise(texts, prefix="", first_index=0).ids]
    bert = Bert(checkpoint / "model.safetensors", layers=2, heads=1)
    np.testing.assert_allclose(bert.encode(ids, EXACT), encoder.encode_documents(texts), atol=2e-6)


def test_rounding_a_row_errs_by_half_a_step_at_most() -> None:
    rows = np.random.default_rng(0).normal(1, 3, (50, 96)).astype(np.float32)
    rounded, middle = per_token(rows)
    step = (rows.max(axis=1) - rows.min(axis=1)) / 255
    assert (np.abs(rounded + middle - rows).max(axis=1) <= step * 1.01).all()
    assert (np.abs(rounded + middle - rows).mean(axis=1) <= step * 0.3).all()


def test_more_ranges_a_row_err_less() -> None:
    rows = np.random.default_rng(3).normal(0, [1] * 48 + [30] * 48, (50, 96)).astype(np.float32)
    whole, middle = per_token(rows)
    parts, _ = per_token_in_groups(np.arange(96), 2)(rows)
    assert np.abs(parts - rows)[:, :48].mean() < 0.1 * np.abs(whole + middle - rows)[:, :48].mean()


@pytest.mark.parametrize(
    "rounding", [by_gptq(), by_gptq(ordered=False), by_gptq(scales_of=clipped_scales), by_descent(nearest, 2)]
)
def test_weights_rounded_together_lose_less_of_the_product_than_each_alone(rounding: WeightRounding) -> None:
    rng = np.random.default_rng(1)
    rows = rng.standard_normal((400, 12)) @ rng.standard_normal((12, 96)) + rng.normal(0, 0.1, (400, 96))
    weight = rng.standard_normal((96, 40)).astype(np.float32)
    moments = rows.T @ rows / len(rows)

    def error(rounded: WeightRounding) -> float:
        integers, scales = rounded(weight, moments)
        assert np.abs(integers).max() <= 127
        return float(np.square(rows @ (integers * scales - weight)).mean())

    assert error(rounding) < 0.5 * error(nearest)


def test_the_largest_columns_are_exact(bert: Bert) -> None:
    seen = measure(bert, TEXTS)["0.up"]
    size = np.maximum(-seen.low, seen.high)
    assert set(choose_columns(seen, 3, "largest")) == set(np.argsort(size)[-3:])
    assert len(set(choose_columns(seen, 3, "range"))) == 3


def test_exact_columns_and_gptq_come_nearer_to_the_exact_vectors(bert: Bert) -> None:
    kitchen, exact = Kitchen(bert, measure(bert, TEXTS)), bert.encode(TEXTS, EXACT)

    def distance(recipe: Recipe) -> float:
        return float(np.abs(bert.encode(TEXTS, kitchen.way(recipe)) - exact).mean())

    everything = Recipe(weights=None, activations="exact", attention=attend_exactly, words=False)
    assert distance(everything) < 1e-6
    assert 0 < distance(DEFAULT) < distance(Recipe(Columns(0, 0, 0, 0), weights=nearest, activations="tensor"))


def test_rotated_values_leave_the_exact_vectors_as_they_are(bert: Bert) -> None:
    kitchen = Kitchen(bert, measure(bert, TEXTS))
    rotated = turned(kitchen, rotations(kitchen)).bert
    assert np.abs(rotated.products["0.out"].weight - bert.products["0.out"].weight).max() > 0.01
    np.testing.assert_allclose(rotated.encode(TEXTS, EXACT), bert.encode(TEXTS, EXACT), atol=2e-6)


def test_attention_in_bf16_is_near_the_exact_one() -> None:
    query, key, value = np.random.default_rng(2).standard_normal((3, 2, 3, 20, 32)).astype(np.float32)
    exact, rounded = attend_exactly(query / 6, key, value), attend_bf16(query / 6, key, value)
    assert 1e-5 < np.abs(exact - rounded).max() < 0.03

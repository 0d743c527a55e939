"""Rotations as config.json has them, in the names of transformers 4 and 5, and scaled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from embed_plugin.export.layers.rotary import frequencies
from embed_plugin.export.layers.scaled_rotary import read_scaling, unknown_scaling

LLAMA3 = {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8192}
NEAR_AND_FULL = {"sliding_attention": {"rope_theta": 10.0}, "full_attention": {"rope_theta": 90.0}}


@pytest.mark.parametrize(
    "config",
    [
        {"rope_theta": 90.0},
        {"rope_theta": 90.0, "rope_scaling": None},
        {"rope_parameters": {"rope_theta": 90.0, "rope_type": "default"}},
        {"rope_parameters": {"rope_theta": 90.0}, "rope_theta": 7.0},
    ],
)
def test_both_styles_have_the_same_rotations(config: dict[str, Any]) -> None:
    np.testing.assert_array_equal(read_scaling(config).frequencies(8), frequencies(90.0, 8))


def test_the_older_names_of_two_kinds_of_layers() -> None:
    older = {"rope_theta": 90.0, "rope_local_base_freq": 10.0, "rope_scaling": {"type": "linear", "factor": 2.0}}
    near = read_scaling(older, "sliding_attention", theta="rope_local_base_freq")
    np.testing.assert_array_equal(near.frequencies(8), frequencies(10.0, 8))
    np.testing.assert_array_equal(read_scaling(older, "full_attention").frequencies(8), frequencies(90.0, 8) / 2)


@pytest.mark.parametrize(("layers", "theta"), [("sliding_attention", 10.0), ("full_attention", 90.0)])
def test_the_newer_names_of_two_kinds_of_layers(layers: str, theta: float) -> None:
    scaling = read_scaling({"rope_parameters": NEAR_AND_FULL}, layers)
    np.testing.assert_array_equal(scaling.frequencies(8), frequencies(theta, 8))


def test_llama3_divides_slow_rotations_and_leaves_fast_ones() -> None:
    config = {"rope_theta": 500_000.0, "rope_scaling": {"rope_type": "llama3", **LLAMA3}}
    plain = frequencies(500_000.0, 128)
    share = read_scaling(config).frequencies(128) / plain
    turns = 8192 * plain / (2 * np.pi)
    np.testing.assert_allclose(share[turns > 4], 1)
    np.testing.assert_allclose(share[turns < 1], 1 / 8)
    assert (np.diff(share) <= 1e-12).all()


def test_the_trained_length_of_llama3_is_the_models_where_it_is_not_said() -> None:
    partial = {name: value for name, value in LLAMA3.items() if name != "original_max_position_embeddings"}
    config = {"rope_theta": 9.0, "rope_scaling": {"rope_type": "llama3", **partial}, "max_position_embeddings": 8192}
    whole = {"rope_theta": 9.0, "rope_scaling": {"rope_type": "llama3", **LLAMA3}}
    np.testing.assert_array_equal(read_scaling(config).frequencies(8), read_scaling(whole).frequencies(8))


@pytest.mark.parametrize(
    ("values", "unknown"),
    [
        ({"rope_type": "longrope"}, "rope_type 'longrope'"),
        ({"rope_type": "default", "factor": 2.0}, "rotations with factor"),
        ({"partial_rotary_factor": 0.5}, "rotations with partial_rotary_factor"),
        ({"partial_rotary_factor": 1.0, "factor": None}, None),
    ],
)
def test_what_is_not_computed_is_named(values: dict[str, Any], unknown: str | None) -> None:
    assert unknown_scaling(read_scaling({"rope_parameters": {"rope_theta": 9.0, **values}})) == unknown


def test_rotations_that_are_no_object_are_named() -> None:
    assert unknown_scaling(read_scaling({"rope_parameters": [700.0]})) == "rope_type '[700.0]'"
    assert unknown_scaling(read_scaling({"rope_theta": 9.0, "rope_scaling": "dynamic"})) == "rope_type 'dynamic'"


def test_a_missing_base_is_a_missing_value() -> None:
    with pytest.raises(KeyError, match="rope_theta"):
        read_scaling({}).frequencies(8)

"""Configurations as transformers 5 writes them, read by the transformers that optimum is pinned to."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import Encoder, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.traced.newer_config import translate

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Facts = dict[str, Any]

OPTIMUM = ExportSettings(precision="fp32", exporter="optimum")
TEXTS = ["the cat", "a slow red dog ran to the blue house .", "fire water tree " * 8, "i do not read"]


def rotation(base: float = 700.0, kind: str = "default", **others: object) -> Facts:
    return {"rope_theta": base, "rope_type": kind, **others}


def rotations(full: Facts, sliding: Facts) -> Facts:
    return {"rope_parameters": {"full_attention": full, "sliding_attention": sliding}}


ONE = {"rope_parameters": rotation()}
TWO = rotations(rotation(), rotation(30.0))
SAME = [
    ("qwen3", ONE, {"rope_theta": 700.0}),
    ("qwen2", ONE, {"rope_theta": 700.0}),
    ("qwen3", {"rope_theta": 5.0, **ONE}, {"rope_theta": 700.0}),
    ("qwen3", {"rope_theta": 700.0, "rope_parameters": {"rope_type": "default"}}, {"rope_theta": 700.0}),
    (
        "qwen3",
        {"rope_parameters": rotation(kind="linear", factor=3.0)},
        {"rope_theta": 700.0, "rope_scaling": {"rope_type": "linear", "factor": 3.0}},
    ),
    (
        "phi",
        {"rope_parameters": rotation(partial_rotary_factor=0.25)},
        {"rope_theta": 700.0, "partial_rotary_factor": 0.25},
    ),
    (
        "gpt_neox",
        {"rope_parameters": rotation(partial_rotary_factor=0.5)},
        {"rotary_emb_base": 700.0, "rotary_pct": 0.5},
    ),
    ("gemma3_text", TWO, {"rope_theta": 700.0, "rope_local_base_freq": 30.0}),
    ("modernbert", TWO, {"global_rope_theta": 700.0, "local_rope_theta": 30.0}),
    (
        "modernbert",
        {**TWO, "layer_types": ["full_attention", "sliding_attention"] * 2},
        {"global_rope_theta": 700.0, "local_rope_theta": 30.0, "global_attn_every_n_layers": 2},
    ),
]
"""Of one model: its architecture, what transformers 5 writes, and what 4.57 reads."""


@pytest.mark.parametrize(("model_type", "newer", "older"), SAME)
def test_each_field_gets_the_name_that_is_read(model_type: str, newer: Facts, older: Facts) -> None:
    translated = translate({"model_type": model_type, "hidden_size": 32, **newer})
    assert {"model_type": model_type, "hidden_size": 32, **older}.items() <= translated.items()
    assert "rope_parameters" not in translated


@pytest.mark.parametrize(
    "config", [{"model_type": "bert"}, {"model_type": "qwen3", "rope_theta": 7.0, "rope_scaling": None}]
)
def test_a_configuration_of_before_is_left_alone(config: Facts) -> None:
    assert translate(config) == config


@pytest.mark.parametrize(
    ("model_type", "newer", "message"),
    [
        ("qwen3", {"rope_parameters": rotation(kind="longrope", factor=4.0)}, "rope_type 'longrope'"),
        ("qwen3", {"rope_parameters": rotation(kind="proportional")}, "rope_type 'proportional'"),
        ("qwen3", {"rope_parameters": {"rope_type": "default"}}, "rope_parameters with rope_theta None"),
        ("qwen3", {"rope_parameters": rotation(partial_rotary_factor=0.5)}, r"partial_rotary_factor 0\.5"),
        ("qwen3", TWO, r"rope_parameters \{'full_attention'"),
        ("qwen3", {"rope_parameters": [700.0]}, r"rope_parameters \[700\.0\]"),
        ("stablelm", ONE, r"rope_parameters \{'rope_theta': 700"),
        ("nemotron", {"rope_parameters": rotation(kind="linear", factor=3.0)}, "rope_scaling .*linear"),
        ("modernbert", {"rope_scaling": {"rope_type": "yarn", "factor": 4.0}}, "rope_scaling .*yarn"),
        ("modernbert", ONE, "rope_parameters .*rope_theta"),
        ("modernbert", rotations(rotation(kind="linear", factor=2.0), rotation()), "rope_scaling .*linear"),
        ("gemma3_text", rotations(rotation(), rotation(kind="linear", factor=2.0)), "rope_parameters .*linear"),
        ("modernbert", {"layer_types": ["sliding_attention", "full_attention"]}, r"layer_types \['sliding"),
    ],
)
def test_what_has_no_field_is_refused(model_type: str, newer: Facts, message: str) -> None:
    with pytest.raises(UnknownArchitectureError, match=f"has {message}.*, which transformers 4.57 cannot compute"):
        translate({"model_type": model_type, **newer})


@pytest.fixture
def changed(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> Callable[..., Path]:
    """A copy of an architecture's checkpoint with other fields in its configuration."""
    pytest.importorskip("optimum", reason="needs the extra dev-optimum: make test-optimum")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embed_plugin.export.traced.exporter  # noqa: F401, PLC0415 - only its warnings are kept away

    def change(name: str, model_type: str, facts: Facts) -> Path:
        folder = shutil.copytree(torch_checkpoint(model_type), tmp_path / name)
        config = json.loads((folder / "config.json").read_text())
        named = {"rope_theta", "rope_scaling", "rotary_emb_base", "rotary_pct", "partial_rotary_factor"}
        named |= {"global_rope_theta", "local_rope_theta", "rope_local_base_freq", "global_attn_every_n_layers"}
        kept = {key: value for key, value in config.items() if key not in named}
        (folder / "config.json").write_text(json.dumps({**kept, **facts}))
        return folder

    return change


def vectors(checkpoint: Path) -> np.ndarray[Any, Any]:
    export(str(checkpoint), checkpoint.parent / "exported" / checkpoint.name, OPTIMUM)
    return Encoder.load(checkpoint.parent / "exported" / checkpoint.name).encode_documents(TEXTS)


@pytest.mark.optimum
@pytest.mark.xdist_group("newer_config")
@pytest.mark.parametrize(
    ("model_type", "newer", "older"), [case for case in SAME if case[0] in {"qwen3", "modernbert"}]
)
def test_the_vectors_are_those_of_the_older_configuration(
    changed: Callable[..., Path], model_type: str, newer: Facts, older: Facts
) -> None:
    expected = vectors(changed("older", model_type, older))
    np.testing.assert_array_equal(vectors(changed("newer", model_type, newer)), expected)
    assert np.sum(expected * vectors(changed("ignored", model_type, {})), axis=1).min() < 0.999


@pytest.mark.optimum
@pytest.mark.xdist_group("newer_config")
@pytest.mark.parametrize("facts", [{"is_causal": False}, {"use_bidirectional_attention": True}])
def test_a_causal_model_that_is_to_see_both_ways_is_refused(
    changed: Callable[..., Path], tmp_path: Path, facts: Facts
) -> None:
    with pytest.raises(UnknownArchitectureError, match="'qwen3' shows a token only those before it"):
        export(str(changed("checkpoint", "qwen3", facts)), tmp_path / "model", OPTIMUM)
    export(str(changed("encoder", "bert", facts)), tmp_path / "model", OPTIMUM)

"""ModernBERT's configurations, as published and as transformers 5 saves them; what is refused; its windows."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import load_file

from embed_plugin import Encoder, ExportError, SourceError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.architectures.modernbert import read_config
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.onnx_graph.edit import noted
from export.references.texts import TEXTS

if TYPE_CHECKING:
    from collections.abc import Mapping

REFERENCES = Path(__file__).parents[1] / "references"
NEW_KEYS = ("layer_types", "rope_parameters", "dtype")
PUBLISHED = {
    "architectures": ["ModernBertModel"],
    "global_attn_every_n_layers": 3,
    "global_rope_theta": 160000.0,
    "local_rope_theta": 10000.0,
    "position_embedding_type": "absolute",
    "reference_compile": False,
    "torch_dtype": "bfloat16",
    "transformers_version": "4.48.0",
}
"""The keys of gte-modernbert-base that transformers 5 does not write."""
SCALED = {"rope_type": "yarn", "factor": 4.0, "rope_theta": 160000.0}


def checkpoint_with(folder: Path, change: Mapping[str, Any], name: str = "modernbert") -> Path:
    """A reference checkpoint whose configuration has other values; None takes a key away."""
    shutil.copytree(REFERENCES / name, folder)
    shutil.copy(REFERENCES / "encoder.json", folder / "tokenizer.json")
    config = {**json.loads((folder / "config.json").read_text()), **change}
    kept = {key: value for key, value in config.items() if key not in change or change[key] is not None}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


def as_published(**change: Any) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {**dict.fromkeys(NEW_KEYS), **PUBLISHED, **change}


def test_a_published_configuration_gives_the_same_vectors(tmp_path: Path) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", as_published())
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    assert (spec.provenance["exporter"], spec.architecture, spec.max_tokens) == ("native", "modernbert", 256)
    vectors = Encoder.load(tmp_path / "model").encode_documents(TEXTS[:5])
    np.testing.assert_allclose(vectors, np.load(checkpoint / "vectors.npy")[:5], atol=1e-5)


def test_mmbert_has_one_base_for_all_rotations(tmp_path: Path) -> None:
    change = as_published(local_rope_theta=160000, local_attention=128, norm_eps=1e-6)
    config = read_config(read_description(checkpoint_with(tmp_path / "checkpoint", change)))
    assert (set(config.thetas.values()), config.window, config.norm_eps) == ({160000.0}, 64, 1e-6)


def test_rotations_of_sliding_layers_without_a_base_are_those_of_full_ones(tmp_path: Path) -> None:
    folder = checkpoint_with(tmp_path / "checkpoint", as_published())
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "local_rope_theta": None}))
    assert set(read_config(read_description(folder)).thetas.values()) == {160000.0}


def test_a_window_is_half_of_what_is_stated_on_each_side(tmp_path: Path) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", {"local_attention": 128})
    export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))
    graph = onnx.load(tmp_path / "model" / "model.onnx", load_external_data=False).graph
    assert [noted(node, "window") for node in graph.node if noted(node, "window")] == ["64"]
    assert sum(node.op_type == "Attention" and len(node.input) == 4 for node in graph.node) == 2


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"hidden_activation": "quick_gelu"}, "hidden_activation 'quick_gelu'"),
        ({"rope_parameters": {"full_attention": SCALED}}, "rope_type 'yarn' in full_attention"),
        (as_published(rope_scaling={"rope_type": "linear", "factor": 2.0}), "rope_scaling .*linear"),
        ({"layer_types": ["chunked_attention"] * 4}, "type 'chunked_attention'"),
    ],
)
def test_other_variants_are_refused_by_name(tmp_path: Path, change: dict[str, Any], named: str) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", change)
    with pytest.raises(UnknownArchitectureError, match=f"modernbert with .*{named}"):
        export(str(checkpoint), tmp_path / "model", ExportSettings(exporter="native"))


@pytest.mark.parametrize(
    ("change", "found"),
    [
        ({"hidden_size": None}, "says no 'hidden_size'"),
        (as_published(global_rope_theta=None), "says no 'global_rope_theta'"),
        ({"layer_types": ["full_attention"] * 3}, "has 3 layer_types and 4 layers"),
    ],
)
def test_a_config_that_says_too_little(tmp_path: Path, change: dict[str, Any], found: str) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", change)
    with pytest.raises(SourceError, match=f"config.json {found}"):
        export(str(checkpoint), tmp_path / "model")


def test_weights_that_the_config_does_not_have_are_refused(tmp_path: Path) -> None:
    checkpoint = checkpoint_with(tmp_path / "checkpoint", {"mlp_bias": False}, "modernbert-biases")
    assert "layers.0.mlp.Wi.bias" in load_file(checkpoint / "model.safetensors")
    with pytest.raises(ExportError, match=r"hold 6 tensors \(layers\.0\.mlp\.Wi\.bias"):
        export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32"))

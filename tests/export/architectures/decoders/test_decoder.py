"""The configurations of decoders: as published, as transformers 5 saves them, and what is refused by name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import Encoder, EncoderSettings, ExportError, SourceError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.architectures.registry import find_architecture
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from export.references.texts import TEXTS

REFERENCES = Path(__file__).parents[2] / "references"
FP32 = ExportSettings(precision="fp32", exporter="native")
LONG = EncoderSettings(on_long="truncate", workers=1)

_SHAPE = {"hidden_act": "silu", "hidden_size": 32, "num_hidden_layers": 2, "torch_dtype": "bfloat16"}
_HEADS = {"num_attention_heads": 4, "num_key_value_heads": 2, "head_dim": 12, "attention_bias": False}
_BASE = _SHAPE | _HEADS | {"intermediate_size": 48, "max_position_embeddings": 256, "rms_norm_eps": 1e-5}
_LAYERS = ["sliding_attention", "full_attention", "sliding_attention"]

PUBLISHED: dict[str, dict[str, Any]] = {
    "qwen3": _BASE
    | {"architectures": ["Qwen3ForCausalLM"]}
    | {"max_window_layers": 28, "rope_scaling": None, "rope_theta": 1000000, "sliding_window": None}
    | {"use_sliding_window": False, "tie_word_embeddings": True, "transformers_version": "4.51.3"},
    "qwen2": _BASE
    | {"head_dim": 8, "max_window_layers": 1, "rope_theta": 1000.0, "sliding_window": 7, "use_sliding_window": True},
    "qwen2-both-ways": _BASE
    | {"auto_map": {"AutoModel": "modeling_qwen.Qwen2Model"}, "is_causal": False, "rope_theta": 1000.0}
    | {"head_dim": None, "hidden_act": "gelu", "sliding_window": 131072, "use_sliding_window": False},
    "mistral": _BASE | {"head_dim": None, "rope_theta": 300.0, "sliding_window": 6},
    "llama": _BASE
    | {"attention_bias": True, "mlp_bias": True, "pretraining_tp": 1, "rope_theta": 500.0}
    | {"rope_scaling": {"factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "rope_type": "llama3"}}
    | {"original_max_position_embeddings": 64},
    "gemma3": {"attn_logit_softcapping": None, "final_logit_softcapping": None, "head_dim": 12, "hidden_size": 24}
    | {"hidden_activation": "gelu_pytorch_tanh", "layer_types": _LAYERS, "max_position_embeddings": 256}
    | {"num_attention_heads": 3, "num_hidden_layers": 3, "num_key_value_heads": 1, "query_pre_attn_scalar": 16}
    | {"rms_norm_eps": 1e-6, "rope_local_base_freq": 50.0, "rope_scaling": None, "rope_theta": 3000.0}
    | {"sliding_window": 8, "use_bidirectional_attention": True},
}
"""The small checkpoints' shapes, as transformers 4 wrote them on the hub."""


def checkpoint(tmp_path: Path, name: str, config: dict[str, Any] | None = None, **changes: Any) -> Path:  # noqa: ANN401
    """A family's checkpoint with another configuration, or with changed values; ... leaves a value out."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(REFERENCES / name, folder)
    shutil.copy(REFERENCES / "decoder.json", folder / "tokenizer.json")
    saved = json.loads((folder / "config.json").read_text())
    wanted = {"model_type": saved["model_type"], **config} if config else saved
    kept = {key: value for key, value in (wanted | changes).items() if value is not ...}
    (folder / "config.json").write_text(json.dumps(kept))
    return folder


@pytest.mark.parametrize("name", sorted(PUBLISHED))
def test_a_configuration_as_published_gives_the_same_vectors(tmp_path: Path, name: str) -> None:
    export(str(checkpoint(tmp_path, name, PUBLISHED[name])), tmp_path / "model", FP32)
    vectors = Encoder.load(tmp_path / "model", LONG).encode_documents(TEXTS)
    assert (vectors * np.load(REFERENCES / name / "vectors.npy")).sum(axis=1).min() >= 0.99999


def test_names_of_a_language_model_are_the_same_and_its_head_is_left_out(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "qwen3")
    renamed = _widened(folder)
    save_file(renamed | {"lm_head.weight": renamed["model.embed_tokens.weight"]}, folder / "model.safetensors")
    export(str(folder), tmp_path / "model", FP32)
    vectors = Encoder.load(tmp_path / "model", LONG).encode_documents(TEXTS)
    assert (vectors * np.load(REFERENCES / "qwen3" / "vectors.npy")).sum(axis=1).min() >= 0.99999


def _widened(folder: Path) -> dict[str, Any]:
    """The weights in fp32, under the names that a language model has; numpy's safetensors reads no bfloat16."""
    path = folder / "model.safetensors"
    return {f"model.{name}": read_tensor(path, name) for name in tensor_names(path)}


@pytest.mark.parametrize("precision", ["fp32", "int8"])
def test_a_checkpoint_in_shards_is_the_same(tmp_path: Path, precision: str) -> None:
    whole, sharded = checkpoint(tmp_path / "a", "qwen3"), checkpoint(tmp_path / "b", "qwen3")
    weights = {name.removeprefix("model."): values for name, values in _widened(sharded).items()}
    (sharded / "model.safetensors").unlink()
    parts = {name: f"model-0000{1 + index % 2}-of-00002.safetensors" for index, name in enumerate(sorted(weights))}
    for part in set(parts.values()):
        save_file({name: weights[name] for name in weights if parts[name] == part}, sharded / part)
    (sharded / "model.safetensors.index.json").write_text(json.dumps({"weight_map": parts}))
    settings = ExportSettings(precision=precision, exporter="native", min_cosine=0.9)  # type: ignore[arg-type]
    specs = [export(str(each), each.parent / "model", settings) for each in (whole, sharded)]
    assert specs[0].fingerprint == specs[1].fingerprint


REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("qwen3", {"auto_map": {"AutoModel": "x.Own"}, "is_causal": False}, r"'qwen3' as x\.Own has it"),
    ("qwen2", {"auto_map": {"AutoModel": "x.Own"}}, r"'qwen2' as x\.Own has it"),
    ("qwen2", {"is_causal": False}, "sliding_window with is_causal false"),
    ("qwen3", {"use_bidirectional_attention": True}, "use_bidirectional_attention"),
    ("qwen3", {"hidden_act": "mish"}, "activation 'mish'"),
    ("qwen3", {"layer_types": ["full_attention", "chunked_attention"]}, "layer type 'chunked_attention'"),
    ("qwen3", {"layer_types": ["full_attention"]}, "layer_types of 1 layers"),
    ("qwen3", {"layer_types": ["sliding_attention"] * 2}, "without use_sliding_window"),
    ("mistral", {"layer_types": ["full_attention"] * 2}, "layer_types other than its sliding_window"),
    ("llama", {"rope_parameters": {"rope_type": "yarn", "rope_theta": 1.0, "factor": 2.0}}, "rope_type 'yarn'"),
    ("llama", {"rope_parameters": {"rope_theta": 1.0, "mrope_section": [1]}}, "rotations with mrope_section"),
    ("llama", {"rope_parameters": {"rope_theta": 1.0, "partial_rotary_factor": 0.5}}, "partial_rotary_factor"),
    ("gemma3", {"attn_logit_softcapping": 30.0}, r"attn_logit_softcapping 30\.0"),
    ("gemma3", {"is_causal": True}, "is_causal beside another"),
    ("gemma3", {"hidden_activation": "mish"}, "activation 'mish'"),
    ("gemma3", {"layer_types": ["chunked_attention"] * 3}, "layer type 'chunked_attention'"),
]


@pytest.mark.parametrize(("name", "changes", "message"), REFUSED)
def test_what_is_not_written_is_refused_by_name(
    tmp_path: Path, name: str, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(UnknownArchitectureError, match=message):
        find_architecture(read_description(checkpoint(tmp_path, name, **changes)))


MISSING = [
    ("qwen3", "head_dim"),
    ("qwen3", "num_key_value_heads"),
    ("qwen2", "rms_norm_eps"),
    ("mistral", "sliding_window"),
    ("llama", "rope_parameters"),
    ("gemma3", "query_pre_attn_scalar"),
    ("gemma3", "rope_parameters"),
]


@pytest.mark.parametrize(("name", "value"), MISSING)
def test_a_missing_value_is_named(tmp_path: Path, name: str, value: str) -> None:
    left_out: dict[str, Any] = {value: ...}
    folder = checkpoint(tmp_path, name, **left_out)
    named = value.replace("rope_parameters", "rope_theta")
    with pytest.raises(SourceError, match=f"says no '{named}'"):
        export(str(folder), tmp_path / "model", FP32)


def test_weights_that_the_configuration_has_not_are_refused(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "qwen3-biases", attention_bias=False)
    with pytest.raises(ExportError, match=r"hold 8 tensors .*_proj\.bias"):
        export(str(folder), tmp_path / "model", FP32)


def test_a_window_as_long_as_any_text_leaves_no_mask(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "mistral", sliding_window=256)
    family = find_architecture(read_description(folder))
    assert {rule.window for rule in family.read_config(read_description(folder)).layers} == {None}


def test_gemma_without_layer_types_has_every_sixth_layer_whole(tmp_path: Path) -> None:
    folder = checkpoint(tmp_path, "gemma3", layer_types=..., num_hidden_layers=12)
    layers = find_architecture(read_description(folder)).read_config(read_description(folder)).layers
    assert [index for index, rule in enumerate(layers) if rule.window is None] == [5, 11]
    assert {rule.window for rule in layers} == {None, 4}

"""DeBERTa's checkpoints as they lie on the hub: names, configurations and heads; what is not computed is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import Encoder, ExportError, SourceError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from export.architectures.test_references import checkpoint_of
from export.references.texts import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FP32 = ExportSettings(precision="fp32", exporter="native")

PUBLISHED: dict[str, Any] = {
    "model_type": "deberta-v2",
    "attention_probs_dropout_prob": 0.1,
    "hidden_act": "gelu",
    "hidden_dropout_prob": 0.1,
    "hidden_size": 32,
    "initializer_range": 0.02,
    "intermediate_size": 48,
    "max_position_embeddings": 256,
    "relative_attention": True,
    "position_buckets": 32,
    "norm_rel_ebd": "layer_norm",
    "share_att_key": True,
    "pos_att_type": "p2c|c2p",
    "layer_norm_eps": 1e-7,
    "max_relative_positions": -1,
    "position_biased_input": False,
    "num_attention_heads": 2,
    "num_hidden_layers": 2,
    "type_vocab_size": 0,
    "vocab_size": 384,
}
"""The keys and values of deberta-v3's own configuration, but for the sizes."""


def change(checkpoint: Path, **values: object) -> Path:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return checkpoint


def tensors(checkpoint: Path) -> dict[str, npt.NDArray[np.float32]]:
    path = checkpoint / "model.safetensors"
    return {name: read_tensor(path, name) for name in tensor_names(path)}


def vectors(checkpoint: Path, folder: Path) -> npt.NDArray[np.float32]:
    export(str(checkpoint), folder, FP32)
    return Encoder.load(folder).encode_documents(SCRIPTS)


def test_a_checkpoint_as_it_was_published_is_the_same(tmp_path: Path) -> None:
    plain, published = (checkpoint_of("deberta-v3", tmp_path / name) for name in ("plain", "published"))
    (published / "config.json").write_text(json.dumps(PUBLISHED))
    unused = {
        "deberta.embeddings.position_embeddings.weight": np.ones((256, 32), np.float32),
        "deberta.embeddings.position_ids": np.arange(256, dtype=np.float32)[None],
        "lm_predictions.lm_head.dense.weight": np.ones((32, 32), np.float32),
        "mask_predictions.dense.weight": np.ones((32, 32), np.float32),
    }
    renamed = {f"deberta.{name}": values for name, values in tensors(published).items()}
    save_file(renamed | unused, published / "model.safetensors")
    np.testing.assert_array_equal(vectors(published, tmp_path / "a"), vectors(plain, tmp_path / "b"))


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"conv_kernel_size": 3, "conv_act": "gelu"}, "conv_kernel_size 3 .*--exporter optimum"),
        ({"pos_att_type": "c2p|p2p"}, r"pos_att_type 'c2p\|p2p'"),
        ({"pos_att_type": []}, r"pos_att_type \[\]"),
        ({"norm_rel_ebd": "batch_norm"}, "norm_rel_ebd 'batch_norm'"),
        ({"attention_head_size": 8}, "attention_head_size 8 of 2 heads is known to neither exporter"),
        ({"hidden_act": "mish"}, "activation 'mish'"),
        ({"auto_map": {"AutoModel": "own.Model"}}, "as own.Model has it .*never run"),
    ],
)
def test_what_is_not_written_is_refused_by_name(tmp_path: Path, values: dict[str, object], message: str) -> None:
    checkpoint = change(checkpoint_of("deberta-v3", tmp_path / "checkpoint"), **values)
    with pytest.raises(UnknownArchitectureError, match=message):
        export(str(checkpoint), tmp_path / "model", FP32)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"position_buckets": 16}, "64 distances, and config.json says 32"),
        ({"position_biased_input": True}, "no tensor embeddings.position_embeddings.weight"),
        ({"type_vocab_size": 2}, "no tensor embeddings.token_type_embeddings.weight"),
        ({"share_att_key": False}, "no tensor .*pos_key_proj.weight"),
        ({"norm_rel_ebd": "none"}, "hold 2 tensors .*encoder.LayerNorm.bias"),
        ({"relative_attention": False}, "hold 3 tensors .*encoder.rel_embeddings.weight"),
    ],
)
def test_a_configuration_of_another_model_is_refused(tmp_path: Path, values: dict[str, object], message: str) -> None:
    checkpoint = change(checkpoint_of("deberta-v3", tmp_path / "checkpoint"), **values)
    with pytest.raises(ExportError, match=message):
        export(str(checkpoint), tmp_path / "model", FP32)


def test_fewer_positions_than_the_table_has_are_refused(tmp_path: Path) -> None:
    checkpoint = change(checkpoint_of("deberta-v2", tmp_path / "checkpoint"), max_position_embeddings=128)
    with pytest.raises(ExportError, match=r"256 positions, and config\.json says 128"):
        export(str(checkpoint), tmp_path / "model", FP32)


def test_a_config_that_says_too_little_is_refused(tmp_path: Path) -> None:
    checkpoint = checkpoint_of("deberta-v3", tmp_path / "checkpoint")
    config = {name: value for name, value in PUBLISHED.items() if name != "num_hidden_layers"}
    (checkpoint / "config.json").write_text(json.dumps(config))
    with pytest.raises(SourceError, match="says no 'num_hidden_layers'"):
        export(str(checkpoint), tmp_path / "model", FP32)


def test_the_default_of_its_norms_is_its_own(tmp_path: Path) -> None:
    plain, silent = (checkpoint_of("deberta-v3", tmp_path / name) for name in ("plain", "silent"))
    config = {name: value for name, value in PUBLISHED.items() if name != "layer_norm_eps"}
    (silent / "config.json").write_text(json.dumps(config))
    np.testing.assert_array_equal(vectors(silent, tmp_path / "a"), vectors(plain, tmp_path / "b"))

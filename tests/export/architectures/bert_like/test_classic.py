"""Checkpoints of the older families as they lie on the hub: other classes' names, heads of their training, refusals."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest
from safetensors.numpy import save_file

from embed_plugin import Encoder, ExportError, SourceError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from embed_plugin.export.layers.relative import bias_by_distance
from export.architectures.test_references import checkpoint_of
from export.references.texts import SCRIPTS

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    Weights = dict[str, npt.NDArray[Any]]

FP32 = ExportSettings(precision="fp32", exporter="native")
NAMES = ["albert", "camembert", "distilbert", "electra", "mpnet", "t5"]


def widened(checkpoint: Path) -> Weights:
    """The tensors as float32, which numpy can hold."""
    path = checkpoint / "model.safetensors"
    return {name: read_tensor(path, name) for name in tensor_names(path)}


def vectors(checkpoint: Path, folder: Path) -> npt.NDArray[np.float32]:
    export(str(checkpoint), folder, FP32)
    return Encoder.load(folder).encode_documents(SCRIPTS)


def change(checkpoint: Path, **values: object) -> Path:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **values}))
    return checkpoint


@pytest.mark.parametrize(
    ("name", "prefix", "heads"),
    [
        ("albert", "albert.", ["predictions.decoder.weight", "sop_classifier.classifier.weight"]),
        ("camembert", "roberta.", ["lm_head.dense.weight"]),
        ("distilbert", "distilbert.", ["vocab_transform.weight", "vocab_projector.bias"]),
        ("electra", "electra.", ["discriminator_predictions.dense.weight"]),
        ("mpnet", "mpnet.", ["lm_head.dense.weight"]),
        ("t5", "", ["decoder.block.0.layer.0.SelfAttention.q.weight", "encoder.embed_tokens.weight", "lm_head.weight"]),
    ],
)
def test_a_head_of_its_training_changes_nothing(tmp_path: Path, name: str, prefix: str, heads: list[str]) -> None:
    plain, headed = (checkpoint_of(name, tmp_path / folder) for folder in ("plain", "headed"))
    tensors = {f"{prefix}{key}": value for key, value in widened(headed).items()}
    save_file(tensors | {head: np.ones((2, 2), np.float32) for head in heads}, headed / "model.safetensors")
    np.testing.assert_array_equal(vectors(headed, tmp_path / "a"), vectors(plain, tmp_path / "b"))


@pytest.mark.parametrize("name", NAMES)
def test_weights_that_are_missing_or_left_over_are_refused(tmp_path: Path, name: str) -> None:
    checkpoint = checkpoint_of(name, tmp_path / "checkpoint")
    tensors = widened(checkpoint)
    layers = sorted(key for key in tensors if ".0." in key or ".layer.0" in key)
    save_file({key: value for key, value in tensors.items() if key != layers[0]}, checkpoint / "model.safetensors")
    with pytest.raises(ExportError, match="hold no tensor"):
        export(str(checkpoint), tmp_path / "model", FP32)
    save_file(tensors | {f"{layers[0]}.more": np.ones(2, np.float32)}, checkpoint / "model.safetensors")
    with pytest.raises(ExportError, match=r"hold 1 tensors .*more"):
        export(str(checkpoint), tmp_path / "model", FP32)


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("distilbert", {"activation": "mish"}, "activation 'mish'"),
        ("mpnet", {"hidden_act": "mish"}, "activation 'mish'"),
        ("albert", {"position_embedding_type": "relative_key"}, "position_embedding_type 'relative_key'"),
        ("t5", {"feed_forward_proj": "gated-mish"}, "feed_forward_proj 'gated-mish'"),
        ("electra", {"position_embedding_type": "relative_key_query"}, "position_embedding_type"),
    ],
)
def test_what_is_not_written_is_refused_by_name(
    tmp_path: Path, name: str, values: dict[str, object], message: str
) -> None:
    checkpoint = change(checkpoint_of(name, tmp_path / "checkpoint"), **values)
    with pytest.raises(UnknownArchitectureError, match=message):
        export(str(checkpoint), tmp_path / "model", FP32)


@pytest.mark.parametrize(("name", "key"), [("distilbert", "n_layers"), ("mpnet", "hidden_size"), ("t5", "num_heads")])
def test_a_config_that_says_too_little_is_refused_by_its_own_name(tmp_path: Path, name: str, key: str) -> None:
    checkpoint = checkpoint_of(name, tmp_path / "checkpoint")
    path = checkpoint / "config.json"
    config = json.loads(path.read_text())
    config.pop(key)
    for alias in ("num_hidden_layers", "num_attention_heads") if name != "mpnet" else ():
        config.pop(alias, None)
    path.write_text(json.dumps(config))
    with pytest.raises(SourceError, match=f"says no '{key}'"):
        export(str(checkpoint), tmp_path / "model", FP32)


def test_a_shared_layer_has_its_weights_once(tmp_path: Path) -> None:
    export(str(checkpoint_of("albert", tmp_path / "checkpoint")), tmp_path / "model", FP32)
    names = [tensor.name for tensor in onnx.load(tmp_path / "model" / "model.onnx").graph.initializer]
    assert sum(name.endswith("ffn.product.weight") for name in names) == 4  # two groups of two layers, run four times


def test_buckets_are_exact_near_and_share_the_last_far_away() -> None:
    buckets = np.arange(32, dtype=np.float32)[:, None]
    bias = bias_by_distance(buckets, 300)[0]
    middle = 299
    np.testing.assert_array_equal(bias[middle - 7 : middle + 1], np.arange(7, -1, -1))
    np.testing.assert_array_equal(bias[middle + 1 : middle + 8], np.arange(17, 24))
    assert (bias[: middle - 127] == 15).all()
    assert (bias[middle + 128 :] == 31).all()

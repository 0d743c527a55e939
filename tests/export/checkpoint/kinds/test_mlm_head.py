"""What a head lacks, or has besides, is refused by name; so is a setting that is not known."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from embed_plugin import ExportError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.kinds.mlm_head import read_mlm_head
from support.sparse_checkpoints import checkpoint_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def distilbert(tmp_path: Path) -> Path:
    return checkpoint_of("splade-distilbert", tmp_path / "splade-distilbert")


def change(folder: Path, *, drop: str = "", config: dict[str, Any] | None = None, **added: np.ndarray) -> None:
    """Write a checkpoint's weights and configuration anew; an added ``a__b`` is the tensor ``a.b``."""
    tensors = load_file(folder / "model.safetensors")
    tensors.pop(drop, None)
    tensors |= {name.replace("__", "."): values for name, values in added.items()}
    save_file(tensors, folder / "model.safetensors")
    content = json.loads((folder / "config.json").read_text()) | (config or {})
    (folder / "config.json").write_text(json.dumps({name: value for name, value in content.items() if value != "gone"}))


@pytest.mark.parametrize("name", ["vocab_transform.weight", "vocab_layer_norm.weight", "vocab_projector.bias"])
def test_a_missing_tensor_is_named(distilbert: Path, name: str) -> None:
    change(distilbert, drop=name)
    with pytest.raises(ExportError, match=rf"{name}.*fetch"):
        read_mlm_head(read_description(distilbert))


def test_a_tensor_that_is_left_over_is_named(distilbert: Path) -> None:
    change(distilbert, vocab_other__weight=np.ones(2, np.float32))
    with pytest.raises(ExportError, match=r"has vocab_other\.weight besides"):
        read_mlm_head(read_description(distilbert))


def test_a_decoder_of_its_own_is_taken_where_it_is_not_tied(distilbert: Path) -> None:
    own = np.ones((384, 32), np.float16)
    change(distilbert, config={"tie_word_embeddings": False}, vocab_projector__weight=own)
    assert read_mlm_head(read_description(distilbert)).decoder == "vocab_projector.weight"


def test_a_tied_decoder_that_differs_is_refused(distilbert: Path) -> None:
    change(distilbert, vocab_projector__weight=np.ones((384, 32), np.float16))
    with pytest.raises(ExportError, match=r"vocab_projector\.weight is the word table .* and it differs"):
        read_mlm_head(read_description(distilbert))


@pytest.mark.parametrize(
    ("config", "message"),
    [
        ({"activation": "mish"}, "has activation 'mish'; the graph knows gelu"),
        ({"activation": "gone"}, "has activation None"),
        ({"model_type": "electra"}, r"model_type 'electra'; heads over the vocabulary are known of bert, "),
    ],
)
def test_settings_that_are_not_known_are_refused(distilbert: Path, config: dict[str, Any], message: str) -> None:
    change(distilbert, config=config)
    with pytest.raises(ExportError, match=message):
        read_mlm_head(read_description(distilbert))


def test_an_epsilon_that_is_not_written_is_refused(tmp_path: Path) -> None:
    folder = checkpoint_of("splade-bert", tmp_path / "splade-bert")
    change(folder, config={"layer_norm_eps": "gone"})
    with pytest.raises(ExportError, match="has layer_norm_eps None, expected a number"):
        read_mlm_head(read_description(folder))


def test_two_biases_must_be_one(tmp_path: Path) -> None:
    folder = checkpoint_of("splade-bert", tmp_path / "splade-bert")
    bias = load_file(folder / "model.safetensors")["cls.predictions.bias"]
    change(folder, cls__predictions__decoder__bias=bias)
    assert read_mlm_head(read_description(folder)).bias == "cls.predictions.bias"
    change(folder, cls__predictions__decoder__bias=bias + 1)
    with pytest.raises(ExportError, match="two biases of words"):
        read_mlm_head(read_description(folder))


def test_the_names_of_tensorflows_norms_give_the_same_graph(tmp_path: Path) -> None:
    folder = checkpoint_of("splade-bert", tmp_path / "splade-bert")
    settings = ExportSettings(precision="fp32")
    today = export(str(folder), tmp_path / "today", settings)
    renamed = {
        name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta"): values
        for name, values in load_file(folder / "model.safetensors").items()
    }
    save_file(renamed, folder / "model.safetensors")
    assert export(str(folder), tmp_path / "old", settings).fingerprint == today.fingerprint

"""Config and weights of a checkpoint are of one model, or it is refused."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import make_checkpoint
from embed_plugin import ExportError
from embed_plugin.export import ExportSettings, export

if TYPE_CHECKING:
    from pathlib import Path

NATIVE = ExportSettings(precision="fp32", exporter="native")


def change(checkpoint: Path, **config: object) -> None:
    path = checkpoint / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **config}))


def add(checkpoint: Path, *names: str) -> None:
    weights = load_file(checkpoint / "model.safetensors")
    save_file(weights | {name: np.ones(3, np.float32) for name in names}, checkpoint / "model.safetensors")


def test_layers_that_the_config_does_not_know_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", num_hidden_layers=3)
    change(checkpoint, num_hidden_layers=2)
    found = r"hold 16 tensors \(encoder\.layer\.2\.attention.*, \.\.\.\) that a model of its config\.json has not"
    with pytest.raises(ExportError, match=found):
        export(str(checkpoint), tmp_path / "model", NATIVE)


def test_layers_that_the_weights_have_not_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", num_hidden_layers=2)
    change(checkpoint, num_hidden_layers=3)
    with pytest.raises(ExportError, match=r"no tensor encoder\.layer\.2\.\S+, which its config\.json asks for"):
        export(str(checkpoint), tmp_path / "model", NATIVE)


def test_positions_that_the_weights_have_not_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", max_position_embeddings=64)
    change(checkpoint, max_position_embeddings=512)
    with pytest.raises(ExportError, match=r"the weights have 64 positions, and config\.json says 512"):
        export(str(checkpoint), tmp_path / "model", NATIVE)


@pytest.mark.parametrize(
    "name",
    ["encoder.layer.0.attention.self.distance_embedding.weight", "encoder.layer.0.mlp.wo.weight", "linear.weight"],
)
def test_other_parts_are_refused(tmp_path: Path, name: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    add(checkpoint, name)
    with pytest.raises(ExportError, match=rf"hold 1 tensors \({name}\) that a model of its config"):
        export(str(checkpoint), tmp_path / "model", NATIVE)


def test_heads_and_buffers_change_nothing(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    plain = export(str(checkpoint), tmp_path / "plain", NATIVE)
    add(checkpoint, "pooler.dense.weight", "cls.predictions.bias", "lm_head.bias", "embeddings.position_ids")
    assert export(str(checkpoint), tmp_path / "with", NATIVE).files == plain.files


def test_a_head_beside_a_named_encoder_changes_nothing(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    plain = export(str(checkpoint), tmp_path / "plain", NATIVE)
    weights = load_file(checkpoint / "model.safetensors")
    named = {f"bert.{name}": values for name, values in weights.items()} | {"span.weight": np.ones(3, np.float32)}
    save_file(named, checkpoint / "model.safetensors")
    assert export(str(checkpoint), tmp_path / "named", NATIVE).files == plain.files


def test_weights_of_another_layout_are_sent_to_no_other_exporter(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint")
    weights = load_file(checkpoint / "model.safetensors")
    save_file({f"wrapped.{name}": values for name, values in weights.items()}, checkpoint / "model.safetensors")
    with pytest.raises(ExportError, match=r"hold no embeddings\.word_embeddings\.weight .* no exporter can make it"):
        export(str(checkpoint), tmp_path / "model")

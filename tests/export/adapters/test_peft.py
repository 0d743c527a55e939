"""LoRA adapters of PEFT beside the weights; tests/export/architectures/test_references.py has PEFT's own vectors."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from embed_plugin import Encoder, ExportError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names

if TYPE_CHECKING:
    from embed_plugin.model.spec import ModelSpec

REFERENCES = Path(__file__).parents[1] / "references"


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A BERT with an adapter beside its weights."""
    folder = tmp_path / "checkpoint"
    shutil.copytree(REFERENCES / "bert-lora", folder)
    shutil.copy(REFERENCES / "encoder.json", folder / "tokenizer.json")
    return folder


def change_settings(checkpoint: Path, **settings: Any) -> None:  # noqa: ANN401
    path = checkpoint / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | settings))


def names_of(checkpoint: Path) -> list[str]:
    return tensor_names(checkpoint / "model.safetensors")


def exported(checkpoint: Path, folder: Path, **settings: Any) -> ModelSpec:  # noqa: ANN401
    return export(str(checkpoint), folder, ExportSettings(precision="fp32", **settings))


def test_the_manifest_names_the_adapter(checkpoint: Path, tmp_path: Path) -> None:
    adapter = exported(checkpoint, tmp_path / "model").provenance["adapter"]
    assert isinstance(adapter, dict)
    assert (adapter["name"], adapter["kind"], adapter["rank"]) == ("adapter_config.json", "LoRA (PEFT)", 2)
    assert len(adapter["sha256"]) == 64


def test_an_adapter_in_a_folder_is_merged_where_it_is_named(checkpoint: Path, tmp_path: Path) -> None:
    beside = exported(checkpoint, tmp_path / "beside")
    (checkpoint / "a_task").mkdir()
    for name in ("adapter_config.json", "adapter_model.safetensors"):
        (checkpoint / name).rename(checkpoint / "a_task" / name)
    prompts = {"prompts": {"other": "no: ", "a.task": "task: "}}
    (checkpoint / "config_sentence_transformers.json").write_text(json.dumps(prompts))
    named = exported(checkpoint, tmp_path / "named", adapter="a_task")
    plain = exported(checkpoint, tmp_path / "plain")
    files = [spec.files["model.onnx.data"] for spec in (beside, named, plain)]
    assert files[0] == files[1] != files[2]
    assert (named.query_prefix, named.document_prefix, plain.query_prefix) == ("task: ", "task: ", "")


def test_plain_lora_is_scaled_by_alpha_over_the_rank(checkpoint: Path, tmp_path: Path) -> None:
    change_settings(checkpoint, use_rslora=False, alpha_pattern={})
    exported(checkpoint, tmp_path / "adapted")
    weights = {name: read_tensor(checkpoint / "model.safetensors", name) for name in names_of(checkpoint)}
    parts = load_file(checkpoint / "adapter_model.safetensors")
    for name, second in parts.items():
        module, _, kind = name.removeprefix("base_model.model.").rpartition(".lora_")
        if kind == "B.weight":
            weights[f"{module}.weight"] += 6 / 2 * second @ parts[name.replace("lora_B", "lora_A")]
        if kind == "embedding_B":
            weights[f"{module}.weight"] += 6 / 2 * (second @ parts[name.replace("embedding_B", "embedding_A")]).T
    save_file(weights, checkpoint / "model.safetensors")
    (checkpoint / "adapter_config.json").unlink()
    exported(checkpoint, tmp_path / "merged")
    adapted, merged = (Encoder.load(tmp_path / name).encode_documents(["a fox"]) for name in ("adapted", "merged"))
    np.testing.assert_allclose(adapted, merged, atol=2e-6)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"peft_type": "IA3"}, "has peft_type 'IA3', and only plain LoRA is merged. Merge it into the model"),
        ({"use_dora": True}, "has use_dora True"),
        ({"bias": "all"}, "has bias 'all'"),
        ({"init_lora_weights": "pissa"}, "has init_lora_weights 'pissa'"),
        ({"modules_to_save": ["pooler"]}, r"has modules_to_save \['pooler'\]"),
        ({"fan_in_fan_out": True}, "has fan_in_fan_out True"),
    ],
)
def test_other_kinds_are_refused_by_name(
    checkpoint: Path, tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    change_settings(checkpoint, **settings)
    with pytest.raises(ExportError, match=message):
        exported(checkpoint, tmp_path / "model")


def test_changes_of_weights_that_the_model_has_not(checkpoint: Path, tmp_path: Path) -> None:
    path = checkpoint / "adapter_model.safetensors"
    tensors = load_file(path)
    save_file({name.replace("layer.1.", "layer.7."): tensor for name, tensor in tensors.items()}, path)
    with pytest.raises(ExportError, match=r"changes 5 weights \(encoder\.layer\.7\..* were not found by these names"):
        exported(checkpoint, tmp_path / "model")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("base_model.model.encoder.layer.0.output.dense.lora_magnitude_vector", "only plain LoRA is merged"),
        ("base_model.model.encoder.layer.0.attention.output.lora_A.weight", "one half of the change of"),
    ],
)
def test_a_file_with_other_tensors(checkpoint: Path, tmp_path: Path, name: str, message: str) -> None:
    path = checkpoint / "adapter_model.safetensors"
    save_file(load_file(path) | {name: np.zeros((2, 32), np.float32)}, path)
    with pytest.raises((ExportError, SourceError), match=message):
        exported(checkpoint, tmp_path / "model")


def test_an_adapter_without_its_tensors(checkpoint: Path, tmp_path: Path) -> None:
    (checkpoint / "adapter_model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"is there without adapter_model\.safetensors"):
        exported(checkpoint, tmp_path / "model")


def test_an_adapter_alone_names_the_model_it_belongs_to(checkpoint: Path, tmp_path: Path) -> None:
    change_settings(checkpoint, base_model_name_or_path="BAAI/bge-small-en-v1.5")
    (checkpoint / "model.safetensors").unlink()
    with pytest.raises(SourceError, match=r"an adapter \(adapter_config\.json\) of BAAI/bge-small-en-v1\.5, whose"):
        exported(checkpoint, tmp_path / "model")


def test_a_name_that_is_no_adapter(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match="is merged where no adapter is named, and 'task' was: leave --adapter out"):
        exported(checkpoint, tmp_path / "model", adapter="task")
    (checkpoint / "adapter_config.json").unlink()
    with pytest.raises(ExportError, match="checkpoint has no adapter 'task'; it has none"):
        exported(checkpoint, tmp_path / "model", adapter="task")


def test_optimum_does_not_apply_one(checkpoint: Path, tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"which only the native exporter applies\. Merge it"):
        exported(checkpoint, tmp_path / "model", exporter="optimum")


def test_an_adapter_changes_vectors(checkpoint: Path, tmp_path: Path) -> None:
    exported(checkpoint, tmp_path / "adapted")
    (checkpoint / "adapter_config.json").unlink()
    exported(checkpoint, tmp_path / "plain")
    adapted, plain = (Encoder.load(tmp_path / name).encode_documents(["a fox"]) for name in ("adapted", "plain"))
    assert float((adapted * plain).sum()) < 0.99

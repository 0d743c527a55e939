"""What of a late-interaction checkpoint is read, and what is refused by its name."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import EmbedPluginError, read_model_folder
from embed_plugin.export import ExportSettings, export
from embed_plugin.model.late_interaction import LateInteractionFacts

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCES = Path(__file__).parents[2] / "references"
METADATA, PYLATE, DENSE = "artifact.metadata", "config_sentence_transformers.json", "1_Dense/config.json"


def changed(tmp_path: Path, name: str, file: str, **values: object) -> Path:
    """A copy of a family's checkpoint with other values in a file; one that is None is taken out."""
    folder = shutil.copytree(REFERENCES / name, tmp_path / "checkpoint")
    content = {**json.loads((folder / file).read_text()), **values}
    (folder / file).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    return folder


def refused(checkpoint: Path, message: str, settings: ExportSettings | None = None) -> None:
    with pytest.raises(EmbedPluginError, match=message):
        export(str(checkpoint), checkpoint.parent / "model", settings or ExportSettings(precision="fp32"))


def test_the_facts_are_in_the_manifest(tmp_path: Path) -> None:
    spec = export(str(REFERENCES / "colbert"), tmp_path / "model", ExportSettings(precision="fp32", max_tokens=30))
    assert spec == read_model_folder(tmp_path / "model")
    assert (spec.kinds, spec.pooling, spec.dimension, spec.max_tokens) == (("late-interaction",), "none", 16, 30)
    late = LateInteractionFacts.read(spec.facts)
    assert (late.query_marker, late.document_marker, late.query_length, late.expansion) == (5, 6, 20, 4)
    assert not late.sees_expansion
    assert len(late.skipped) == 32


def test_other_facts_are_another_space(tmp_path: Path) -> None:
    settings = ExportSettings(precision="fp32")
    first = export(str(REFERENCES / "colbert"), tmp_path / "first", settings)
    other = changed(tmp_path, "colbert", METADATA, mask_punctuation=False)
    second = export(str(other), tmp_path / "second", settings)
    assert second.facts["skipped"] == []
    assert {**second.files} == {**first.files}
    assert second.fingerprint != first.fingerprint


@pytest.mark.parametrize(
    ("name", "file", "values", "message"),
    [
        ("colbert", METADATA, {"query_maxlen": None}, "does not say query_maxlen, expected a value of the type int"),
        ("colbert", METADATA, {"attend_to_mask_tokens": "no"}, "says that attend_to_mask_tokens is 'no', expected"),
        ("colbert", METADATA, {"similarity": "l2"}, "has similarity 'l2', which is not written; expected 'cosine'"),
        ("colbert", METADATA, {"interaction": "flipr"}, "interaction 'flipr'"),
        ("colbert", METADATA, {"dim": 96}, r"vectors have 96 values, and linear\.weight gives 16"),
        ("colbert", METADATA, {"query_token_id": "[Q]"}, r"names the marker '\[Q\]', which the vocabulary lacks"),
        ("colbert", METADATA, {"query_token_id": "[unused1]"}, "one marker for queries and documents"),
        ("colbert", METADATA, {"query_maxlen": 3}, "queries have 3 tokens, expected 4 or more"),
        ("colbert", METADATA, {"query_maxlen": 65}, "queries have 65 tokens, and the model takes 64"),
        ("pylate-modernbert", PYLATE, {"skiplist_words": None}, "does not say skiplist_words"),
        ("pylate-modernbert", PYLATE, {"query_prefix": ""}, "has an empty query_prefix"),
        ("pylate-modernbert", PYLATE, {"query_length": 21}, "a layer's window is 17 to either side"),
        ("pylate-modernbert", DENSE, {"use_residual": True}, "has use_residual"),
        ("pylate-modernbert", DENSE, {"activation_function": "torch.nn.modules.activation.Tanh"}, "Tanh'; on tokens"),
        ("pylate-modernbert", DENSE, {"bias": True}, r"holds linear\.weight, expected linear\.bias, linear\.weight"),
        ("colbert", "tokenizer_config.json", {"mask_token": "<m>"}, r"no mask token \(<m>\)"),
    ],
)
def test_what_is_not_written_is_refused_by_name(
    tmp_path: Path, name: str, file: str, values: dict[str, Any], message: str
) -> None:
    refused(changed(tmp_path, name, file, **values), message)


def with_bias(weights: dict[str, Any]) -> None:
    weights["linear.bias"] = np.zeros(16, np.float32)


def without_head(weights: dict[str, Any]) -> None:
    del weights["linear.weight"]


def too_wide(weights: dict[str, Any]) -> None:
    weights["linear.weight"] = np.zeros((16, 40), np.float32)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_bias, r"hold linear\.bias; ColBERT's layer has no bias"),
        (without_head, r"hold no tensor linear\.weight"),
        (too_wide, "a dense layer takes vectors of 40, and what comes before it gives 32"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], message: str
) -> None:
    checkpoint = changed(tmp_path, "colbert", METADATA)
    weights = {"linear.weight": np.zeros((16, 32), np.float32)}
    change(weights)
    (checkpoint / "model.safetensors").rename(checkpoint / "model-1.safetensors")
    save_file(weights or {"other": np.zeros(1, np.float32)}, checkpoint / "model-2.safetensors")
    listed = dict.fromkeys(weights, "model-2.safetensors") | {"bert": "model-1.safetensors", "x": "model-2.safetensors"}
    (checkpoint / "model.safetensors.index.json").write_text(json.dumps({"weight_map": listed}))
    _take_out_head(checkpoint / "model-1.safetensors")
    refused(checkpoint, message)


def _take_out_head(path: Path) -> None:
    """Rename the head in a file's header, to a name of the same length."""
    path.write_bytes(path.read_bytes().replace(b'"linear.weight"', b'"unused.weight"'))


def test_settings_of_vectors_are_refused(tmp_path: Path) -> None:
    checkpoint = changed(tmp_path, "colbert", METADATA)
    refused(
        checkpoint,
        "a dimension was asked for, and .* is a late-interaction model",
        ExportSettings(precision="fp32", dimension=8),
    )


def test_a_checkpoint_without_metadata_is_refused(tmp_path: Path) -> None:
    checkpoint = changed(tmp_path, "colbert", METADATA)
    (checkpoint / METADATA).unlink()
    refused(checkpoint, "has neither artifact.metadata nor modules.json")

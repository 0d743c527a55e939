"""Checkpoints whose weights are not those of transformers' class, through optimum: refused, never filled in."""

from __future__ import annotations

import json
import shutil
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from conftest import VOCABULARY, make_checkpoint
from embed_plugin import ExportError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export

pytest.importorskip("optimum", reason="needs the extra dev-optimum, in an environment of its own: make test-optimum")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import embed_plugin.export.traced.exporter  # noqa: F401 - only its warnings at import are kept away

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Weights = dict[str, np.ndarray[Any, Any]]

pytestmark = [pytest.mark.optimum, pytest.mark.xdist_group("loaded_weights")]

OPTIMUM = ExportSettings(precision="fp32", exporter="optimum")
LAYER = "encoder.layer.1."


@pytest.fixture
def checkpoint(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> Path:
    """A copy of BERT's, to be changed."""
    return shutil.copytree(torch_checkpoint("bert"), tmp_path / "checkpoint")


def change_weights(folder: Path, change: Callable[[Weights], Weights]) -> None:
    save_file(change(load_file(folder / "model.safetensors")), folder / "model.safetensors", {"format": "pt"})


def change_config(folder: Path, **facts: object) -> None:
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **facts}))


def with_extra_layer(weights: Weights) -> Weights:
    extra = {name.replace(LAYER, "encoder.layer.2."): values for name, values in weights.items() if LAYER in name}
    return weights | {name: values.copy() for name, values in extra.items()}


def as_jina_v2(weights: Weights) -> Weights:
    """No positions, and one gated product in place of BERT's first feed-forward layer."""
    renamed = {name.replace("intermediate.dense", "mlp.gated_layers"): values for name, values in weights.items()}
    return {name: values for name, values in renamed.items() if "position_embeddings" not in name}


def as_jina_v3(weights: Weights) -> Weights:
    """Under RoBERTa's prefix, other names for the attention, and a pair of small matrices beside each product."""
    renamed = {"roberta." + name.replace("attention.self", "mixer"): values for name, values in weights.items()}
    table = "roberta.embeddings.word_embeddings"
    renamed[f"{table}.parametrizations.weight.original"] = renamed.pop(f"{table}.weight")
    lora = {f"{table}.parametrizations.weight.0.lora_A": np.ones((5, 4, len(VOCABULARY)), np.float32)}
    return renamed | lora


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda weights: {n: w for n, w in weights.items() if LAYER not in n},
            r"layer\.1\.\S+, .* and 13 more are miss",
        ),
        (
            lambda weights: {n: w for n, w in weights.items() if n != "embeddings.LayerNorm.bias"},
            r"Norm\.bias are miss",
        ),
        (with_extra_layer, r": encoder\.layer\.2\.\S+, .* and 13 more have no place in it\. "),
        (as_jina_v2, r"intermediate\.dense\.bias, .* are missing; .*mlp\.gated_layers\.bias, .* have no place in it"),
        (lambda weights: weights | {"linear.weight": np.ones((8, 32), np.float32)}, r"linear\.weight have no place"),
        (
            lambda weights: weights | {"embeddings.position_embeddings.weight": np.ones((99, 32), np.float32)},
            r": embeddings\.position_embeddings\.weight have another shape",
        ),
        (lambda weights: {f"0.auto_model.{n}": w for n, w in weights.items()}, "are missing; .* have no place"),
    ],
)
def test_weights_that_do_not_fit_are_refused(
    checkpoint: Path, tmp_path: Path, change: Callable[[Weights], Weights], message: str
) -> None:
    change_weights(checkpoint, change)
    with pytest.raises(ExportError, match=message):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)
    assert not (tmp_path / "model").exists()


def test_the_layout_of_jina_v3_is_refused(torch_checkpoint: Callable[..., Path], tmp_path: Path) -> None:
    checkpoint = shutil.copytree(torch_checkpoint("xlm-roberta"), tmp_path / "checkpoint")
    change_weights(checkpoint, as_jina_v3)
    with pytest.raises(
        ExportError, match=r"layer\.0\.attention\.self\.key\.bias, .* are missing; .* have no place in it"
    ):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)
    change_config(checkpoint, auto_map={"AutoModel": "jinaai/xlm-roberta-flash-implementation--modeling_lora.X"})
    with pytest.raises(UnknownArchitectureError, match="'xlm-roberta' may be another model"):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)


@pytest.mark.parametrize(
    "change",
    [
        lambda weights: {name: values for name, values in weights.items() if not name.startswith("pooler.")},
        lambda weights: (
            {f"bert.{name}": values for name, values in weights.items()}
            | {"cls.predictions.bias": np.ones(9, np.float32), "classifier.weight": np.ones((2, 32), np.float32)}
        ),
        lambda weights: weights | {"embeddings.position_ids": np.arange(66)[None]},
    ],
)
def test_what_no_token_vector_depends_on_may_be_missing_or_left_over(
    checkpoint: Path, tmp_path: Path, change: Callable[[Weights], Weights]
) -> None:
    whole = export(str(checkpoint), tmp_path / "whole", OPTIMUM)
    change_weights(checkpoint, change)
    for name in ("first", "second"):
        assert export(str(checkpoint), tmp_path / name, OPTIMUM).files == whole.files


@pytest.mark.parametrize("model_type", ["albert", "deberta", "distilbert", "electra", "modernbert", "mpnet"])
def test_the_head_of_its_training_changes_nothing(
    torch_checkpoint: Callable[..., Path], tmp_path: Path, model_type: str
) -> None:
    from transformers import AutoModelForMaskedLM  # noqa: PLC0415 - only some environments have it

    base = torch_checkpoint(model_type)
    headed = shutil.copytree(base, tmp_path / "checkpoint")
    AutoModelForMaskedLM.from_pretrained(base).save_pretrained(headed)
    expected = export(str(base), tmp_path / "base", OPTIMUM).files
    assert export(str(headed), tmp_path / "headed", OPTIMUM).files == expected


@pytest.mark.parametrize("own", ["own.Model", "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel"])
def test_a_model_that_needs_own_code_is_refused_though_its_weights_fit(
    checkpoint: Path, tmp_path: Path, own: str
) -> None:
    (checkpoint / "own.py").write_text("raise SystemExit('was run')")
    change_config(checkpoint, auto_map={"AutoConfig": "own.Config", "AutoModel": own})
    with pytest.raises(UnknownArchitectureError, match=rf"auto_map says that {own} computes .* 'bert' may be another"):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)


def test_own_code_for_another_task_alone_is_not_used(checkpoint: Path, tmp_path: Path) -> None:
    change_config(checkpoint, auto_map={"AutoModelForSequenceClassification": "own.Model"})
    export(str(checkpoint), tmp_path / "model", OPTIMUM)


@pytest.mark.parametrize("kind", ["alibi", "rotary"])
def test_positions_that_transformers_would_leave_out_are_refused(checkpoint: Path, tmp_path: Path, kind: str) -> None:
    change_config(checkpoint, position_embedding_type=kind)
    with pytest.raises(UnknownArchitectureError, match=f"position_embedding_type '{kind}' is not known"):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)


def test_relative_positions_need_their_table(checkpoint: Path, tmp_path: Path) -> None:
    change_config(checkpoint, position_embedding_type="relative_key")
    with pytest.raises(ExportError, match=r"distance_embedding\.weight, .* are missing"):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)
    table = {
        f"encoder.layer.{i}.attention.self.distance_embedding.weight": np.ones((131, 8), np.float32) for i in (0, 1)
    }
    change_weights(checkpoint, lambda weights: weights | table)
    export(str(checkpoint), tmp_path / "model", OPTIMUM)


def test_weights_of_another_vocabulary_are_refused(tmp_path: Path) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", vocab_size=7, max_position_embeddings=90)
    with pytest.raises(ExportError, match=r"embeddings\.word_embeddings\.weight have another shape"):
        export(str(checkpoint), tmp_path / "model", OPTIMUM)

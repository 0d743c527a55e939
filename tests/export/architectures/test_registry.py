"""The graph of a checkpoint is found by its model type; what is not written names the exporter that may know it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conftest import make_checkpoint
from embed_plugin import UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.architectures import registry
from embed_plugin.export.architectures.bert_like.bert import BERT
from embed_plugin.export.architectures.jina_bert import JINA_BERT
from embed_plugin.export.architectures.jina_v3 import JINA_V3
from embed_plugin.export.architectures.registry import ARCHITECTURES, find_architecture
from embed_plugin.export.checkpoint.description import read_description

if TYPE_CHECKING:
    from pathlib import Path


def test_each_model_type_has_one_architecture_without_code_of_the_checkpoints_own() -> None:
    for model_type in {each for family in ARCHITECTURES for each in family.model_types}:
        families = [family for family in ARCHITECTURES if model_type in family.model_types]
        known = [family for family in families if family.find_unwritten({"model_type": model_type}) is None]
        assert len(known) == 1, model_type


@pytest.mark.parametrize(
    ("model_type", "code", "architecture"),
    [
        ("bert", None, BERT),
        ("bert", "jinaai/jina-bert-implementation--modeling_bert.JinaBertModel", JINA_BERT),
        ("bert", "jinaai/jina-bert-v2-qk-post-norm--modeling_bert.JinaBertModel", JINA_BERT),
        ("xlm-roberta", None, BERT),
        ("xlm-roberta", "jinaai/xlm-roberta-flash-implementation--modeling_lora.XLMRobertaLoRA", JINA_V3),
        ("jina_embeddings_v3", None, JINA_V3),
    ],
)
def test_the_code_tells_families_of_one_model_type_apart(
    tmp_path: Path, model_type: str, code: str | None, architecture: object
) -> None:
    auto_map: dict[str, Any] = {"auto_map": {"AutoModel": code}} if code else {}
    checkpoint = make_checkpoint(tmp_path / "checkpoint", model_type=model_type, **auto_map)
    assert find_architecture(read_description(checkpoint)) is architecture


def test_a_registered_architecture_is_all_that_an_export_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mine = replace(BERT, model_types=("mine",))
    monkeypatch.setattr(registry, "ARCHITECTURES", (*ARCHITECTURES, mine))
    checkpoint = make_checkpoint(tmp_path / "checkpoint", model_type="mine")
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32", exporter="native"))
    assert (spec.architecture, spec.provenance["exporter"]) == ("mine", "native")


@pytest.mark.parametrize(
    ("config", "known"),
    [
        ({"model_type": "squeezebert"}, True),
        ({"position_embedding_type": "relative_key_query"}, True),
        ({"model_type": "own", "auto_map": {"AutoModel": "x.OwnModel"}}, False),
        ({"model_type": "bert", "auto_map": {"AutoModel": "x.OwnBert"}}, False),
        ({"model_type": "new", "logn_attention_scale": True}, False),
        ({"model_type": "modernbert", "hidden_activation": "quick_gelu"}, True),
        ({"model_type": "model2vec"}, False),
        ({"model_type": "pegasus"}, False),
        ({"position_embedding_type": "alibi"}, False),
    ],
)
def test_the_other_exporter_is_named_only_where_it_may_know_the_model(
    tmp_path: Path,
    config: dict[str, Any],
    known: object,
) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", **config)
    expected = "--exporter optimum" if known else "is known to neither exporter"
    with pytest.raises(UnknownArchitectureError, match=expected) as refused:
        find_architecture(read_description(checkpoint))
    assert ("optimum" in str(refused.value)) is known
    assert ("never run" in str(refused.value)) is ("auto_map" in config)

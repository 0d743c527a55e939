"""The graph of a checkpoint is found by its model type; what is not written names the exporter that may know it."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from conftest import make_checkpoint
from embed_plugin import UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.architectures import registry
from embed_plugin.export.architectures.bert import BERT
from embed_plugin.export.architectures.registry import ARCHITECTURES, find_architecture
from embed_plugin.export.checkpoint.description import read_description

if TYPE_CHECKING:
    from pathlib import Path


def test_each_model_type_has_one_architecture() -> None:
    types = Counter(model_type for family in ARCHITECTURES for model_type in family.model_types)
    assert set(types) >= {"bert", "roberta", "xlm-roberta", "nomic_bert"}
    assert max(types.values()) == 1


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
        ({"model_type": "new", "auto_map": {"AutoModel": "x.NewModel"}}, False),
        ({"model_type": "bert", "auto_map": {"AutoModel": "x.OwnBert"}}, False),
        ({"model_type": "gte"}, False),
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

"""Settings of pooling, routes and tables that the graph does not compute are refused by name."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import EmbedPluginError, ExportError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.kinds.sparse_output import read_sparse_output
from support.sparse_checkpoints import checkpoint_of

if TYPE_CHECKING:
    from pathlib import Path

TABLE = "query_0_SparseStaticEmbedding"


@pytest.fixture
def bert(tmp_path: Path) -> Path:
    return checkpoint_of("splade-bert", tmp_path / "splade-bert")


@pytest.fixture
def router(tmp_path: Path) -> Path:
    return checkpoint_of("splade-queries", tmp_path / "splade-queries")


def change(file: Path, /, **values: Any) -> None:  # noqa: ANN401
    content = json.loads(file.read_text()) | values
    file.write_text(json.dumps({name: value for name, value in content.items() if value != "gone"}))


@pytest.mark.parametrize("value", ["gone", "mean", None])
@pytest.mark.parametrize("name", ["pooling_strategy", "activation_function"])
def test_a_pooling_that_is_not_written_or_not_known_is_refused(bert: Path, name: str, value: object) -> None:
    change(bert / "1_SpladePooling" / "config.json", **{name: value})
    with pytest.raises(ExportError, match=rf"1_SpladePooling.config\.json has {name} .*, expected (max|relu) or "):
        read_sparse_output(read_description(bert))


@pytest.mark.parametrize("value", [0, "8", True, 1.5])
def test_a_number_of_words_that_is_none_is_refused(bert: Path, value: object) -> None:
    change(bert / "config_sentence_transformers.json", max_active_dims=value)
    with pytest.raises(ExportError, match=r"max_active_dims .* expected a whole number"):
        read_sparse_output(read_description(bert))


def test_a_step_behind_the_pooling_is_refused(bert: Path) -> None:
    modules = json.loads((bert / "modules.json").read_text())
    modules.append({"idx": 2, "name": "2", "path": "2_Normalize", "type": "sentence_transformers.models.Normalize"})
    (bert / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ExportError, match="lists MLMTransformer, SpladePooling, Normalize; expected"):
        read_sparse_output(read_description(bert))


def test_a_dimension_is_refused(bert: Path, tmp_path: Path) -> None:
    with pytest.raises(EmbedPluginError, match="a dimension was asked for, and splade-bert is a sparse encoder"):
        export(str(bert), tmp_path / "model", ExportSettings(dimension=16))


def test_a_second_encoder_for_queries_is_refused(router: Path) -> None:
    types = {TABLE: "sentence_transformers.base.modules.transformer.Transformer"}
    file = router / "router_config.json"
    change(file, types=json.loads(file.read_text())["types"] | types)
    with pytest.raises(ExportError, match="a router with Transformer for queries"):
        read_sparse_output(read_description(router))


@pytest.mark.parametrize(
    ("tensors", "error", "message"),
    [
        ({"weight": np.full(384, -1, np.float32)}, ExportError, "384 weights below 0"),
        ({"weight": np.ones((384, 2), np.float32)}, ExportError, r"the shape \(384, 2\)"),
        ({"other": np.ones(384, np.float32)}, SourceError, "holds other, expected weight"),
        ({"weight": np.full(384, np.nan, np.float32)}, ExportError, "NaN or infinity"),
    ],
)
def test_a_table_that_is_none_is_refused(
    router: Path, tensors: dict[str, np.ndarray], error: type[Exception], message: str
) -> None:
    save_file(tensors, router / TABLE / "model.safetensors")
    with pytest.raises(error, match=message):
        read_sparse_output(read_description(router))


def test_a_table_of_more_words_than_the_graph_is_refused(router: Path, tmp_path: Path) -> None:
    save_file({"weight": np.ones(400, np.float32)}, router / TABLE / "model.safetensors")
    with pytest.raises(ExportError, match="has 400 weights, and the graph 384 words"):
        export(str(router), tmp_path / "model", ExportSettings(precision="fp32"))


def test_a_table_in_another_file_is_refused(router: Path) -> None:
    change(router / TABLE / "config.json", path="idf.json")
    with pytest.raises(ExportError, match=r"has its weights in 'idf\.json'"):
        read_sparse_output(read_description(router))


def test_queries_with_another_tokenizer_are_refused(router: Path) -> None:
    change(router / TABLE / "tokenizer.json", normalizer={"type": "Lowercase"})
    with pytest.raises(ExportError, match=r"makes other tokens than .*document_0_Transformer"):
        read_sparse_output(read_description(router))


def test_a_route_outside_the_checkpoint_is_refused(router: Path) -> None:
    file = router / "router_config.json"
    content = json.loads(file.read_text())
    content["types"]["../x"] = content["types"].pop(TABLE)
    content["structure"]["query"] = ["../x"]
    file.write_text(json.dumps(content))
    with pytest.raises(SourceError, match=r"'\.\./x', expected one inside the checkpoint"):
        read_description(router)


def test_routes_that_are_one_need_no_table(router: Path) -> None:
    content = json.loads((router / "router_config.json").read_text())
    content["structure"]["query"] = content["structure"]["document"]
    (router / "router_config.json").write_text(json.dumps(content))
    assert read_sparse_output(read_description(router)).query_weights is None

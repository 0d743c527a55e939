"""A ready ONNX file becomes what its checkpoint is; one that would not is refused by what is in the way."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from conftest import make_checkpoint
from embed_plugin import Encoder, EncoderSettings, ExportError, InvalidInputError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.traced.read_file import read_onnx_file
from embed_plugin.model.identity import file_sha256
from export.references.texts import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

REFERENCES = Path(__file__).parents[1] / "references"
FP32 = ExportSettings(precision="fp32")


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    """A checkpoint without weights but in its ONNX file, as fastembed's models are."""
    folder = Path(shutil.copytree(REFERENCES / "onnx-bert", tmp_path / "checkpoint"))
    shutil.copy(REFERENCES / "encoder.json", folder / "tokenizer.json")
    return folder


def least_cosine(model: Path) -> float:
    """Of the texts' vectors to sentence-transformers' own, in two ways of forming batches that give the same bits."""
    expected = np.load(REFERENCES / "onnx-bert" / "vectors.npy")
    encoder = Encoder.load(model, EncoderSettings(workers=2))
    vectors = encoder.encode_documents(TEXTS)
    np.testing.assert_array_equal(np.concatenate([encoder.encode_documents([text]) for text in TEXTS]), vectors)
    return float(((vectors * expected).sum(axis=1) / np.linalg.norm(expected, axis=1)).min())


@pytest.mark.parametrize(("precision", "least"), [("fp32", 0.99999), ("int8", 0.999)])
def test_vectors_are_those_of_the_weights_the_file_was_made_of(
    checkpoint: Path, tmp_path: Path, precision: str, least: float
) -> None:
    spec = export(str(checkpoint), tmp_path / "model", ExportSettings(precision=precision))  # type: ignore[arg-type]
    assert (spec.provenance["exporter"], spec.architecture, spec.max_tokens) == ("onnx", "bert", 96)
    assert least_cosine(tmp_path / "model") >= least


def test_weights_beside_the_file_behind_links_as_a_hubs_cache_has_them(checkpoint: Path, tmp_path: Path) -> None:
    path = checkpoint / "onnx" / "model.onnx"
    model = onnx.load(path)
    onnx.save(model, path, save_as_external_data=True, location="model.onnx_data", size_threshold=100)
    for index, file in enumerate(sorted(path.parent.iterdir())):
        file.rename(tmp_path / f"blob{index}")
        file.symlink_to(tmp_path / f"blob{index}")
    export(str(checkpoint), tmp_path / "model", FP32)
    assert least_cosine(tmp_path / "model") >= 0.99999


def edited(checkpoint: Path, edit: Callable[[onnx.ModelProto], object]) -> Path:
    """The checkpoint's file with a change."""
    path = checkpoint / "onnx" / "model.onnx"
    model = onnx.load(path)
    edit(model)
    path.write_bytes(model.SerializeToString())
    return path


def add_outputs(model: onnx.ModelProto) -> None:
    """Two outputs with the names that sentence-transformers gives them, the pooled one first."""
    graph = model.graph
    graph.node.append(helper.make_node("Identity", [graph.output[0].name], ["token_embeddings"]))
    graph.node.append(
        helper.make_node("ReduceMean", ["token_embeddings"], ["sentence_embedding"], axes=[1], keepdims=0)
    )
    del graph.output[:]
    for name in ("sentence_embedding", "token_embeddings"):
        graph.output.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, None))


def test_token_vectors_are_pooled_as_the_checkpoint_says(checkpoint: Path, tmp_path: Path) -> None:
    edited(checkpoint, add_outputs)
    export(str(checkpoint), tmp_path / "model", FP32)
    assert least_cosine(tmp_path / "model") >= 0.99999


def of_another_name(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Identity", [model.graph.output[0].name], ["logits"]))
    model.graph.output[0].name = "logits"


def in_halves(model: onnx.ModelProto) -> None:
    weight = model.graph.initializer[0]
    weight.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(weight).astype(np.float16), weight.name))


def quantised(model: onnx.ModelProto) -> None:
    model.graph.node[0].op_type = "DynamicQuantizeLinear"


def of_another_domain(model: onnx.ModelProto) -> None:
    model.graph.node[0].domain = "org.other"


def of_fixed_length(model: onnx.ModelProto) -> None:
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 128


def of_short_integers(model: onnx.ModelProto) -> None:
    model.graph.input[1].type.tensor_type.elem_type = TensorProto.INT32


def of_pixels(model: onnx.ModelProto) -> None:
    model.graph.input[1].name = "pixel_values"


def of_an_old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 9


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (of_another_name, "gives logits, expected last_hidden_state or token_embeddings or sentence_embedding"),
        (in_halves, "is of half precision .*Give the file in fp32"),
        (quantised, r"is quantised \(it has DynamicQuantizeLinear\).*Give the file in fp32"),
        (of_another_domain, r"has operators of org\.other"),
        (of_fixed_length, r"input input_ids has a fixed size \(128\).*dynamic axes"),
        (of_short_integers, "input attention_mask is INT32, expected INT64"),
        (of_pixels, "asks for .*pixel_values.*, expected input_ids and none but attention_mask"),
        (of_an_old_opset, "is of opset 9, expected 11 to 23"),
    ],
)
def test_what_is_in_the_way_is_named(checkpoint: Path, edit: Callable[[onnx.ModelProto], object], found: str) -> None:
    with pytest.raises(ExportError, match=found):
        read_onnx_file(edited(checkpoint, edit))


def test_a_damaged_file_is_told_to_be_fetched_again(checkpoint: Path) -> None:
    path = checkpoint / "onnx" / "model.onnx"
    path.write_bytes(b"version https://git-lfs")
    with pytest.raises(SourceError, match="not a readable ONNX file"):
        read_onnx_file(path)


@pytest.mark.parametrize(
    ("place", "found"),
    [
        ({"location": "missing"}, "'missing', expected a file beside it"),
        ({"location": "../../config.json"}, "expected a file beside it"),
        ({"location": "model.onnx", "offset": "999999999", "length": "4"}, "fewer bytes"),
    ],
)
def test_weights_that_are_not_beside_the_file(checkpoint: Path, place: dict[str, str], found: str) -> None:
    def move(model: onnx.ModelProto) -> None:
        tensor = model.graph.initializer[0]
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.extend(onnx.StringStringEntryProto(key=key, value=value) for key, value in place.items())

    with pytest.raises(SourceError, match=found):
        read_onnx_file(edited(checkpoint, move))


def test_a_file_of_another_model_than_its_mask_says_is_found(checkpoint: Path, tmp_path: Path) -> None:
    """A graph that mixes the texts of a batch gives a text other vectors in a batch than alone."""

    def mix(model: onnx.ModelProto) -> None:
        graph = model.graph
        graph.node.append(helper.make_node("ReduceMax", [graph.output[0].name], ["highest"], axes=[0], keepdims=1))
        graph.node.append(helper.make_node("Add", [graph.output[0].name, "highest"], ["token_embeddings"]))
        del graph.output[:]
        graph.output.append(helper.make_tensor_value_info("token_embeddings", TensorProto.FLOAT, None))

    edited(checkpoint, mix)
    with pytest.raises(ExportError, match=r"model\.onnx, 1 tokens: the graph gives a text other vectors in a batch"):
        export(str(checkpoint), tmp_path / "model", FP32)


def test_auto_prefers_weights_that_it_knows_over_the_file(checkpoint: Path, tmp_path: Path) -> None:
    known = make_checkpoint(tmp_path / "known")
    shutil.copytree(checkpoint / "onnx", known / "onnx")
    assert export(str(known), tmp_path / "model", FP32).provenance["exporter"] == "native"


def test_a_pin_of_weights_that_are_not_used_is_refused(checkpoint: Path, tmp_path: Path) -> None:
    known = make_checkpoint(tmp_path / "known")
    shutil.copytree(checkpoint / "onnx", known / "onnx")
    pinned = ExportSettings(precision="fp32", exporter="onnx", weights_sha256=file_sha256(known / "model.safetensors"))
    with pytest.raises(InvalidInputError, match="leave one of the two out"):
        export(str(known), tmp_path / "b", pinned)


def test_a_checkpoint_without_a_file_says_where_one_is_expected(tmp_path: Path) -> None:
    known = make_checkpoint(tmp_path / "known")
    (known / "onnx").mkdir()
    (known / "onnx" / "model_fp16.onnx").write_bytes(b"")
    with pytest.raises(SourceError, match=r"no onnx/model\.onnx and no model\.onnx \(found model_fp16\.onnx\)"):
        export(str(known), tmp_path / "model", ExportSettings(precision="fp32", exporter="onnx"))

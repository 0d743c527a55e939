"""Ready ONNX files that give a text's vector: their pooling is found, and the model gives the vector that they give."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from embed_plugin import Encoder, ExportError
from embed_plugin.export import ExportSettings, export
from embed_plugin.model.matryoshka import Matryoshka
from export.references.texts import TEXTS

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.model.spec import ModelSpec

REFERENCES = Path(__file__).parents[1] / "references"
POOLED = REFERENCES / "onnx-pooled"
FP32 = ExportSettings(precision="fp32", exporter="onnx")
WAYS = {"mean": ("mean", 4), "cls": ("cls", 4), "max": ("max", 4), "lasttoken": ("lasttoken", 4), "dense": ("mean", 3)}


def checkpoint(folder: Path, way: str, edit: Callable[[onnx.GraphProto], object] | None = None) -> Path:
    """A file beside its tokenizer, as repositories for fastembed are: nothing states how tokens are pooled."""
    folder.mkdir()
    shutil.copy(POOLED / "config.json", folder)
    shutil.copy(REFERENCES / "encoder.json", folder / "tokenizer.json")
    model = onnx.load(POOLED / f"{way}.onnx")
    if edit:
        edit(model.graph)
    onnx.save(model, folder / "model.onnx")
    return folder


def vector_alone(graph: onnx.GraphProto) -> None:
    """Leave the token vectors out."""
    kept = next(value for value in graph.output if value.name == "sentence_embedding")
    del graph.output[:]
    graph.output.append(kept)


def renamed(graph: onnx.GraphProto) -> None:
    """Give the vector alone, under a name of the exporter's own."""
    vector_alone(graph)
    graph.node.append(helper.make_node("Identity", ["sentence_embedding"], ["output_0"]))
    graph.output[0].name = "output_0"


def least_cosine(model: Path, way: str) -> float:
    """To sentence-transformers' vectors; the same bits alone and in a batch."""
    expected = np.load(POOLED / f"{way}.npy")
    encoder = Encoder.load(model)
    vectors = encoder.encode_documents(TEXTS[:-1])
    np.testing.assert_array_equal(np.concatenate([encoder.encode_documents([text]) for text in TEXTS[:-1]]), vectors)
    lengths = np.linalg.norm(expected, axis=1)[:-1]
    return float(((vectors * expected[:-1]).sum(axis=1) / lengths).min())


def state(folder: Path, pooling: str) -> Path:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode": pooling}))
    return folder


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("edit", [None, vector_alone, renamed])
def test_the_files_own_output_is_found(
    tmp_path: Path, way: str, edit: Callable[[onnx.GraphProto], object] | None
) -> None:
    spec: ModelSpec = export(str(checkpoint(tmp_path / "checkpoint", way, edit)), tmp_path / "model", FP32)
    assert (spec.pooling, spec.dimension) == WAYS[way]
    assert least_cosine(tmp_path / "model", way) >= 0.99999


def test_it_is_made_int8(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint", "mean", vector_alone)
    settings = ExportSettings(exporter="onnx", min_cosine=0.9)
    assert export(str(source), tmp_path / "model", settings).provenance["exporter"] == "onnx"
    assert least_cosine(tmp_path / "model", "mean") >= 0.97


@pytest.mark.parametrize("edit", [None, vector_alone])
def test_a_checkpoint_that_states_the_same_is_taken_at_its_word(
    tmp_path: Path, edit: Callable[[onnx.GraphProto], object] | None
) -> None:
    source = state(checkpoint(tmp_path / "checkpoint", "cls", edit), "cls")
    assert export(str(source), tmp_path / "model", FP32).pooling == "cls"


@pytest.mark.parametrize("edit", [None, vector_alone])
def test_a_checkpoint_that_states_another_pooling_is_refused(
    tmp_path: Path, edit: Callable[[onnx.GraphProto], object] | None
) -> None:
    source = state(checkpoint(tmp_path / "checkpoint", "max", edit), "mean")
    with pytest.raises(ExportError, match=r"pooled by mean, beside the file's own sentence_embedding, .*cosine"):
        export(str(source), tmp_path / "model", FP32)


def test_a_vector_is_compared_as_far_as_it_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "embed_plugin.export.run.require_matryoshka", lambda *_: Matryoshka()
    )  # no known model is this one
    source = checkpoint(tmp_path / "checkpoint", "mean", vector_alone)
    settings = ExportSettings(precision="fp32", exporter="onnx", dimension=2)
    assert export(str(source), tmp_path / "model", settings).dimension == 2


def test_a_vector_of_another_length_is_refused(tmp_path: Path) -> None:
    source = state(checkpoint(tmp_path / "checkpoint", "dense", vector_alone), "mean")
    with pytest.raises(ExportError, match=r"sentence_embedding: 4 values beside 3: take the file"):
        export(str(source), tmp_path / "model", FP32)


def with_a_row_of_tokens(graph: onnx.GraphProto) -> None:
    """Keep the axis of the tokens in the vector, ``(n, 1, dimension)``."""
    vector_alone(graph)
    graph.node.append(helper.make_node("ReduceMean", ["token_embeddings"], ["kept"], axes=[1], keepdims=1))
    graph.output[0].type.tensor_type.ClearField("shape")
    graph.node.append(helper.make_node("Identity", ["kept"], ["pooler_output"]))
    graph.output[0].name = "pooler_output"


def test_a_vector_may_keep_the_axis_of_the_tokens(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint", "mean", with_a_row_of_tokens)
    assert export(str(source), tmp_path / "model", FP32).pooling == "mean"
    assert least_cosine(tmp_path / "model", "mean") >= 0.99999


def before_normalising(graph: onnx.GraphProto) -> onnx.NodeProto:
    """The last node, which divides the pooled vector by its length."""
    vector_alone(graph)
    last: onnx.NodeProto = graph.node[-1]
    assert (last.op_type, last.output[0]) == ("Div", "sentence_embedding")
    return last


def squared(graph: onnx.GraphProto) -> None:
    node = before_normalising(graph)
    graph.node.insert(len(graph.node) - 1, helper.make_node("Mul", [node.input[0]] * 2, ["squared"], name="square"))
    node.input[0] = "squared"


def turned_twice(graph: onnx.GraphProto) -> None:
    """Compute the same vector in a way that nobody expects."""
    graph.node[-1].output[0] = "before"
    graph.node.append(helper.make_node("Neg", ["before"], ["turned"], name="turn"))
    graph.node.append(helper.make_node("Neg", ["turned"], ["sentence_embedding"], name="back"))


def test_beside_token_vectors_the_numbers_decide(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "mean", "mean", turned_twice)
    assert export(str(source), tmp_path / "model", FP32).pooling == "mean"
    with pytest.raises(ExportError, match="pooled by mean, beside the file's own sentence_embedding"):
        export(str(checkpoint(tmp_path / "max", "max", turned_twice)), tmp_path / "other", FP32)


def pooled_over_channels(graph: onnx.GraphProto) -> None:
    vector_alone(graph)
    graph.node.append(helper.make_node("ReduceMax", ["token_embeddings"], ["highest"], name="high", axes=[2]))
    graph.output[0].name = "highest"


def second_token(graph: onnx.GraphProto) -> None:
    vector_alone(graph)
    graph.initializer.append(numpy_helper.from_array(np.array(1), "second"))
    graph.node.append(helper.make_node("Gather", ["token_embeddings", "second"], ["picked"], name="pick", axis=1))
    graph.output[0].name = "picked"


def constant(graph: onnx.GraphProto) -> None:
    vector_alone(graph)
    graph.initializer.append(numpy_helper.from_array(np.ones((1, 4), np.float32), "same"))
    graph.output[0].name = "same"


@pytest.mark.parametrize(
    ("edit", "found"),
    [
        (squared, r"sentence_embedding is computed by Mul \("),
        (pooled_over_channels, r"highest is computed by ReduceMax \("),
        (second_token, r"picked is computed by Gather \("),
        (constant, "same is .*, which no operator pools"),
    ],
)
def test_a_vector_made_in_another_way_is_refused_by_the_operator(
    tmp_path: Path, edit: Callable[[onnx.GraphProto], object], found: str
) -> None:
    source = checkpoint(tmp_path / "checkpoint", "max" if edit is pooled_over_channels else "mean", edit)
    with pytest.raises(ExportError, match=rf"model\.onnx: its {found}.*expected mean, max, the first"):
        export(str(source), tmp_path / "model", FP32)


def of_first_token(graph: onnx.GraphProto) -> None:
    """Take the first token as most exporters write ``x[:, 0]``, and BERT's pooler behind it."""
    del graph.output[:]
    graph.initializer.append(numpy_helper.from_array(np.array(0), "first"))
    weight = np.arange(16, dtype=np.float32).reshape(4, 4) / 9 - 0.8
    for name, values in (("pooler.weight", weight), ("pooler.bias", weight[0])):
        graph.initializer.append(numpy_helper.from_array(values, name))
    graph.node.append(helper.make_node("Gather", ["token_embeddings", "first"], ["token"], axis=1))
    graph.node.append(helper.make_node("Gemm", ["token", "pooler.weight", "pooler.bias"], ["wide"], transB=1))
    graph.node.append(helper.make_node("Tanh", ["wide"], ["pooler_output"]))
    graph.output.append(helper.make_tensor_value_info("pooler_output", TensorProto.FLOAT, None))


def test_berts_pooler_alone_is_the_first_token_and_a_dense_layer(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint", "mean", of_first_token)
    spec = export(str(source), tmp_path / "model", FP32)
    assert (spec.pooling, spec.dimension) == ("cls", 4)
    state(source, "mean")
    with pytest.raises(ExportError, match="the file's own pooler_output"):
        export(str(source), tmp_path / "other", FP32)


def with_a_slice(graph: onnx.GraphProto) -> None:
    """Take the first token as ``x[:, :1]``."""
    vector_alone(graph)
    for name, value in (("start", 0), ("end", 1), ("axis", 1)):
        graph.initializer.append(numpy_helper.from_array(np.array([value]), name))
    graph.node.append(helper.make_node("Slice", ["token_embeddings", "start", "end", "axis"], ["sliced"]))
    graph.node.append(helper.make_node("Flatten", ["sliced"], ["flat"]))
    graph.output[0].name = "flat"


def test_the_first_token_by_a_slice(tmp_path: Path) -> None:
    source = checkpoint(tmp_path / "checkpoint", "mean", with_a_slice)
    assert export(str(source), tmp_path / "model", FP32).pooling == "cls"
    assert least_cosine(tmp_path / "model", "cls") >= 0.99999

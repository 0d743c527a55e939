"""Each architecture through optimum, against sentence-transformers on the same checkpoint."""

from __future__ import annotations

import json
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import onnx
import pytest

from embed_plugin import Encoder
from embed_plugin.export import ExportSettings, export

pytest.importorskip("optimum", reason="needs the extra dev-optimum, in an environment of its own: make test-optimum")
with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    from sentence_transformers import SentenceTransformer

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.optimum


def in_groups(*model_types: str) -> list[Any]:
    """The architectures, each of which is exported in one process of the test run alone."""
    return [pytest.param(model_type, marks=pytest.mark.xdist_group(model_type)) for model_type in model_types]


UNIFORM = ["albert", "bert", "camembert", "distilbert", "electra", "mpnet", "roberta", "xlm-roberta"]
"""Architectures whose mask says nothing once there is no padding."""

ARCHITECTURES = [*UNIFORM, "deberta", "modernbert", "roformer"]
"""deberta and roformer have no native graph: they are what this route is for."""

OPTIMUM = ExportSettings(precision="fp32", exporter="optimum")


@pytest.fixture(scope="session")
def exported(torch_checkpoint: Callable[..., Path], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """Export, once each, with what torch_checkpoint takes."""
    made: dict[tuple[object, ...], Path] = {}

    def make(model_type: str, **options: Any) -> Path:  # noqa: ANN401
        key = (model_type, *options.values())
        if key not in made:
            made[key] = tmp_path_factory.mktemp("exported") / "model"
            export(str(torch_checkpoint(model_type, **options)), made[key], OPTIMUM)
        return made[key]

    return make


def reference(checkpoint: Path, texts: list[str], **options: Any) -> np.ndarray[Any, Any]:  # noqa: ANN401
    """Encode with sentence-transformers, one text at a time: its padding changes the last digits."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        model = SentenceTransformer(str(checkpoint), device="cpu", local_files_only=True)
        return np.asarray(model.encode(texts, batch_size=1, normalize_embeddings=True, **options))


def texts_of_every_length(encoder: Encoder) -> list[str]:
    """From no word to more than the limit."""
    words = ["the", "cat", "sat", "on", "a", "mat", "and", "read", "it", "to", "do", "not", "open", "file"]
    return [" ".join(words[at % len(words)] for at in range(length)) for length in range(encoder.max_tokens + 9)]


def least_cosine(checkpoint: Path, encoder: Encoder, texts: list[str]) -> float:
    """Of the texts as documents and some of them as queries, to sentence-transformers."""
    documents = encoder.encode_documents(texts) * reference(checkpoint, texts, prompt_name="document")
    queries = encoder.encode_queries(texts[:5]) * reference(checkpoint, texts[:5], prompt_name="query")
    return float(min(documents.sum(axis=1).min(), queries.sum(axis=1).min()))


@pytest.mark.parametrize("model_type", in_groups(*ARCHITECTURES))
def test_every_length_is_as_sentence_transformers_has_it(
    torch_checkpoint: Callable[..., Path], exported: Callable[..., Path], model_type: str
) -> None:
    encoder = Encoder.load(exported(model_type))
    assert least_cosine(torch_checkpoint(model_type), encoder, texts_of_every_length(encoder)) > 0.99999


@pytest.mark.parametrize("model_type", in_groups("mpnet", "modernbert"))
@pytest.mark.parametrize(
    "options", [{"pooling": "cls_token"}, {"pooling": "max_tokens"}, {"pooling": "lasttoken"}, {"dense": (32, 48, 12)}]
)
def test_every_head_is_as_sentence_transformers_has_it(
    torch_checkpoint: Callable[..., Path], exported: Callable[..., Path], model_type: str, options: dict[str, Any]
) -> None:
    encoder = Encoder.load(exported(model_type, **options))
    texts = texts_of_every_length(encoder)[::7]
    assert least_cosine(torch_checkpoint(model_type, **options), encoder, texts) > 0.99999


@pytest.mark.parametrize("model_type", in_groups("mpnet", "modernbert"))
def test_the_token_limit_is_that_of_sentence_transformers(
    torch_checkpoint: Callable[..., Path], tmp_path: Path, model_type: str
) -> None:
    checkpoint = torch_checkpoint(model_type)
    (checkpoint / "sentence_bert_config.json").write_text(json.dumps({"max_seq_length": 20, "do_lower_case": False}))
    spec = export(str(checkpoint), tmp_path / "model", OPTIMUM)
    assert spec.max_tokens == 20
    encoder = Encoder.load(tmp_path / "model")
    least = least_cosine(checkpoint, encoder, texts_of_every_length(encoder))
    (checkpoint / "sentence_bert_config.json").unlink()
    assert least > 0.99999


@pytest.mark.parametrize(
    ("model_type", "positions"), [("bert", 66), ("mpnet", 64), ("xlm-roberta", 64), ("modernbert", 90)]
)
def test_without_a_stated_limit_it_is_the_number_of_positions(
    exported: Callable[..., Path], model_type: str, positions: int
) -> None:
    assert Encoder.load(exported(model_type)).max_tokens == positions


@pytest.mark.parametrize("model_type", in_groups(*ARCHITECTURES))
def test_a_vector_depends_on_its_text_alone(exported: Callable[..., Path], model_type: str) -> None:
    encoder = Encoder.load(exported(model_type))
    texts = [" ".join([word] * length) for length in (0, 1, 2, 15, 40) for word in ("cat", "dog", "red", "fire")]
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_array_equal(encoder.encode_documents(texts), alone)
    np.testing.assert_array_equal(encoder.encode_documents(texts[::-1]), alone[::-1])


@pytest.mark.parametrize("model_type", in_groups(*UNIFORM))
def test_nothing_is_left_of_the_mask(exported: Callable[..., Path], model_type: str) -> None:
    graph = onnx.load(exported(model_type) / "model.onnx").graph
    assert [value.name for value in graph.input] == ["input_ids"]
    producers = {name: node for node in graph.node for name in node.output}
    softmaxes = [node for node in graph.node if node.op_type == "Softmax"]
    assert len(softmaxes) == 2
    for softmax in softmaxes:
        scores = producers[softmax.input[0]]
        if model_type == "mpnet":  # which adds a bias for the distance of two tokens
            assert scores.op_type == "Add"
            scores = producers[scores.input[0]]
        assert scores.op_type in {"MatMul", "Div"}
    lowest = np.finfo(np.float32).min
    constants = [node.attribute[0].t for node in graph.node if node.op_type == "Constant"]
    assert not any((onnx.numpy_helper.to_array(tensor) == lowest).any() for tensor in constants)


def test_a_sliding_window_stays_in_local_layers_alone(exported: Callable[..., Path]) -> None:
    graph = onnx.load(exported("modernbert") / "model.onnx").graph
    producers = {name: node for node in graph.node for name in node.output}
    kinds = [producers[node.input[0]].op_type for node in graph.node if node.op_type == "Softmax"]
    assert kinds == ["MatMul", "Add", "Add", "MatMul"]


@pytest.mark.parametrize("model_type", in_groups(*ARCHITECTURES))
def test_int8_keeps_the_floor(torch_checkpoint: Callable[..., Path], tmp_path: Path, model_type: str) -> None:
    spec = export(str(torch_checkpoint(model_type)), tmp_path / "model", ExportSettings(exporter="optimum"))
    assert spec.provenance["exporter"] == "optimum"
    graph = onnx.load(tmp_path / "model" / "model.onnx").graph
    quantised = [node for node in graph.node if node.op_type == "MatMulIntegerToFloat"]
    assert len(quantised) >= 8
    assert not {tensor.name for tensor in graph.initializer if tensor.name.endswith(".table.int8")}
    names = [tensor.name for tensor in graph.initializer]
    assert len(names) == len(set(names))
    encoder = Encoder.load(tmp_path / "model")
    texts = ["the cat", "a dog", "the cat"]
    alone = np.concatenate([encoder.encode_documents([text]) for text in texts])
    np.testing.assert_array_equal(encoder.encode_documents(texts), alone)

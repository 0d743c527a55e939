"""Static embeddings against sentence-transformers and model2vec, whose vectors `references/make_static.py` wrote."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from embed_plugin import Encoder, EncoderSettings, ExportError, InvalidTextError, SourceError, UnknownArchitectureError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.architectures.static import StaticExporter
from embed_plugin.export.checkpoint.description import read_description
from export.references.texts import TEXTS

REFERENCES = Path(__file__).parents[1] / "references"
NAMES = ["own", "words", "shared", "unigram", "half"]
LENGTHS = {"own": 65_536, "words": 512, "shared": 512, "unigram": 512, "half": 512}
NOT_CUT = 60_000


def expected(name: str) -> tuple[list[str], np.ndarray]:
    """The texts with known tokens, and unit vectors of them."""
    vectors = np.nan_to_num(np.load(REFERENCES / f"static-{name}" / "vectors.npy"))
    lengths = np.linalg.norm(vectors, axis=1)
    texts = [text for text, length in zip(TEXTS, lengths, strict=True) if length > 0]
    return texts, vectors[lengths > 0] / lengths[lengths > 0, None]


def checkpoint(name: str, folder: Path) -> Path:
    return Path(shutil.copytree(REFERENCES / f"static-{name}", folder / name))


@pytest.mark.parametrize("name", NAMES)
def test_fp32_is_what_the_other_package_computes(name: str, tmp_path: Path) -> None:
    settings = ExportSettings(precision="fp32", max_tokens=NOT_CUT)
    export(str(REFERENCES / f"static-{name}"), tmp_path / "model", settings)
    texts, vectors = expected(name)
    assert len(texts) >= 8
    encoder = Encoder.load(tmp_path / "model", EncoderSettings(workers=2))
    found = encoder.encode_documents(texts)
    assert (found * vectors).sum(axis=1).min() >= 0.99999
    np.testing.assert_array_equal(np.concatenate([encoder.encode_documents([text]) for text in texts]), found)
    small = Encoder.load(tmp_path / "model", EncoderSettings(workers=1, token_budget=30))
    np.testing.assert_array_equal(small.encode_documents(texts), found)


@pytest.mark.parametrize("name", NAMES)
def test_int8_has_a_scale_for_each_row(name: str, tmp_path: Path) -> None:
    spec = export(str(REFERENCES / f"static-{name}"), tmp_path / "model", ExportSettings(max_tokens=NOT_CUT))
    assert (spec.precision, spec.architecture, spec.pooling) == ("int8", "static", "mean")
    texts, vectors = expected(name)
    found = Encoder.load(tmp_path / "model").encode_documents(texts)
    assert (found * vectors).sum(axis=1).min() >= 0.9995
    alone = [Encoder.load(tmp_path / "model").encode_documents([text]) for text in texts[:5]]
    np.testing.assert_array_equal(np.concatenate(alone), found[:5])


@pytest.mark.parametrize("name", NAMES)
def test_the_token_limit_is_model2vecs_or_none(name: str, tmp_path: Path) -> None:
    spec = export(str(REFERENCES / f"static-{name}"), tmp_path / "model", ExportSettings(precision="fp32"))
    assert spec.max_tokens == LENGTHS[name]


def test_the_configuration_that_potion_models_have(tmp_path: Path) -> None:
    folder = checkpoint("words", tmp_path)
    published = {"tokenizer_name": "baai/bge-base-en-v1.5", "apply_pca": 256, "apply_zipf": True, "hidden_dim": 256}
    published |= {"seq_length": 1000000, "normalize": True, "model_type": "model2vec", "architectures": ["StaticModel"]}
    (folder / "config.json").write_text(json.dumps(published))
    (folder / "modules.json").unlink()
    assert export(str(folder), tmp_path / "model", ExportSettings(precision="fp32")).max_tokens == 512
    texts, vectors = expected("words")
    found = Encoder.load(tmp_path / "model").encode_documents(texts[:3])
    assert (found * vectors[:3]).sum(axis=1).min() >= 0.99999


def test_a_table_in_a_folder_of_its_own(tmp_path: Path) -> None:
    folder = checkpoint("own", tmp_path)
    (folder / "0_StaticEmbedding").mkdir()
    for name in ("model.safetensors", "tokenizer.json"):
        (folder / name).rename(folder / "0_StaticEmbedding" / name)
    modules = [{"path": "0_StaticEmbedding", "type": "sentence_transformers.models.StaticEmbedding"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "config.json").unlink(missing_ok=True)
    export(str(folder), tmp_path / "model", ExportSettings(precision="fp32"))
    texts, vectors = expected("own")
    assert (Encoder.load(tmp_path / "model").encode_documents(texts) * vectors).sum(axis=1).min() >= 0.99999


def test_a_text_without_a_token_has_no_vector_and_unknown_tokens_give_zeros(tmp_path: Path) -> None:
    export(str(REFERENCES / "static-words"), tmp_path / "model", ExportSettings(precision="fp32"))
    encoder = Encoder.load(tmp_path / "model")
    with pytest.raises(InvalidTextError, match="text 1: has no tokens"):
        encoder.encode_documents(["the", ""])
    np.testing.assert_array_equal(encoder.encode_documents(["敏"]), np.zeros((1, 16)))


def test_shorter_vectors_of_a_model_that_says_it_was_trained_for_them(tmp_path: Path) -> None:
    folder = checkpoint("words", tmp_path)
    with pytest.raises(ExportError, match="does not say that its vectors may be cut"):
        export(str(folder), tmp_path / "model", ExportSettings(precision="fp32", dimension=8))
    (folder / "config.json").write_text('{"model_type": "model2vec", "matryoshka_dimensions": [8, 16]}')
    export(str(folder), tmp_path / "model", ExportSettings(precision="fp32", dimension=8))
    texts, vectors = expected("words")
    cut = vectors[0, :8] / np.linalg.norm(vectors[0, :8])
    assert Encoder.load(tmp_path / "model").encode_documents(texts[:1])[0] @ cut >= 0.99999


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"mapping": np.full(235, 40)}, "names rows outside the table's 40"),
        ({"mapping": np.full(235, -1)}, "names rows outside the table's 40"),
        ({"mapping": np.ones(235, np.float32)}, "tensor mapping is float32, expected integers"),
        ({"weights": np.ones(7, np.float32)}, r"weights has the shape \(7,\), expected \(235,\)"),
        ({"other": np.ones(7, np.float32)}, "holds .*other.*, expected embedding.weight, or embeddings"),
    ],
)
def test_damaged_tables_are_refused(changes: dict[str, np.ndarray], found: str, tmp_path: Path) -> None:
    folder = checkpoint("shared", tmp_path)
    save_file(load_file(folder / "model.safetensors") | changes, folder / "model.safetensors")
    with pytest.raises(SourceError, match=found):
        export(str(folder), tmp_path / "model", ExportSettings(precision="fp32"))


def test_a_packed_table_and_a_dense_layer_behind_are_refused(tmp_path: Path) -> None:
    folder = checkpoint("words", tmp_path)
    weights = load_file(folder / "model.safetensors")
    save_file({"embeddings": weights["embeddings"].astype(np.int8)}, folder / "model.safetensors")
    with pytest.raises(ExportError, match="tensor embeddings is I8"):
        export(str(folder), tmp_path / "model", ExportSettings(precision="fp32"))
    shutil.copy(REFERENCES / "static-words" / "model.safetensors", folder)
    with pytest.raises(UnknownArchitectureError, match="leave --exporter out"):
        export(str(folder), tmp_path / "model", ExportSettings(precision="fp32", exporter="optimum"))
    modules = [{"path": "", "type": f"sentence_transformers.models.{kind}"} for kind in ("StaticEmbedding", "Dense")]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ExportError, match="has a dense layer behind a table of model2vec"):
        StaticExporter(read_description(folder))

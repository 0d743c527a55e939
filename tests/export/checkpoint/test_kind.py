"""A checkpoint of another kind is refused by its name; no text embedder is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from conftest import MODELS, add_dense, make_checkpoint
from embed_plugin import ExportError, SourceError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.kind import kind_of

if TYPE_CHECKING:
    from pathlib import Path

ST, BASE = "config_sentence_transformers.json", "sentence_transformers.base.modules.transformer.Transformer"
SPARSE = "sentence_transformers.sparse_encoder.models"


def write(folder: Path, *modules: str, **files: object) -> Path:
    folder.mkdir(exist_ok=True)
    if modules:
        listed = [
            {"idx": at, "name": str(at), "path": f"{at}_x" if at else "", "type": m} for at, m in enumerate(modules)
        ]
        (folder / "modules.json").write_text(json.dumps(listed))
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


@pytest.mark.parametrize(
    ("modules", "kind"),
    [
        ([f"{MODELS}.Transformer", f"{MODELS}.Pooling", f"{SPARSE}.SparseAutoEncoder"], "a sparse autoencoder"),
        ([f"{SPARSE}.SparseStaticEmbedding"], "a table of weights"),
        ([f"{MODELS}.WordEmbeddings", f"{MODELS}.Pooling"], "a model of word vectors"),
        ([f"{MODELS}.CLIPModel"], "a CLIP model"),
        ([f"{MODELS}.Router"], "two encoders in one"),
    ],
)
def test_modules_say_what_a_checkpoint_is(tmp_path: Path, modules: list[str], kind: str) -> None:
    with pytest.raises(
        ExportError, match=rf"modules\.json \(it lists .*\) is that of {kind}.*Text embedders, rerankers"
    ):
        kind_of(read_description(write(tmp_path, *modules)))


@pytest.mark.parametrize(
    ("architecture", "kind"),
    [
        ("BertForMaskedLM", "a masked language model"),
        ("Qwen3ForCausalLM", "a language model"),
        ("BertForTokenClassification", "a model for another task"),
        ("T5ForConditionalGeneration", "a model for another task"),
    ],
)
def test_without_modules_the_architecture_says_it(tmp_path: Path, architecture: str, kind: str) -> None:
    checkpoint = make_checkpoint(tmp_path / "checkpoint", architectures=[architecture])
    with pytest.raises(ExportError, match=rf"config\.json \(its architecture is {architecture}.*\) is that of {kind}"):
        export(str(checkpoint), tmp_path / "model")


@pytest.mark.parametrize(
    ("model_type", "kind"),
    [("CrossEncoder", "reranker"), ("SparseEncoder", "sparse"), ("ColBERT", "late-interaction")],
)
def test_sentence_transformers_says_what_it_saved(tmp_path: Path, model_type: str, kind: str) -> None:
    folder = write(tmp_path, BASE, config={}, config_sentence_transformers={"model_type": model_type})
    assert kind_of(read_description(folder)) == kind


@pytest.mark.parametrize(("task", "kind"), [("any-to-any", "a generating")])
def test_the_transformers_task_says_it(tmp_path: Path, task: str, kind: str) -> None:
    with pytest.raises(
        ExportError, match=rf"sentence_bert_config\.json \(its transformer_task is '{task}'\) is that of {kind}"
    ):
        kind_of(read_description(write(tmp_path, BASE, sentence_bert_config={"transformer_task": task})))


@pytest.mark.parametrize(
    ("modules", "files"),
    [
        ([f"{MODELS}.Transformer", "pylate.models.Dense.Dense"], {}),
        ([BASE], {"config": {}, "config_sentence_transformers": {"model_type": "ColBERT"}}),
        ([], {"config": {"architectures": ["HF_ColBERT"]}}),
    ],
)
def test_colbert_is_late_interaction(tmp_path: Path, modules: list[str], files: dict[str, object]) -> None:
    assert kind_of(read_description(write(tmp_path, *modules, **files))) == "late-interaction"


@pytest.mark.parametrize("architecture", ["MPNetForMaskedLM", "BertForSequenceClassification", "HF_ColBERT"])
def test_a_pooling_makes_an_embedder_of_any_architecture(tmp_path: Path, architecture: str) -> None:
    checkpoint = add_dense(make_checkpoint(tmp_path / "checkpoint", architectures=[architecture]), 32)
    write(checkpoint, config_sentence_transformers={"model_type": "SentenceTransformer"})
    kind_of(read_description(checkpoint))
    assert export(str(checkpoint), tmp_path / "model", ExportSettings(precision="fp32")).dimension == 32


@pytest.mark.parametrize(
    "config", [{}, {"architectures": ["BertModel"]}, {"architectures": ["RoFormerModel"]}, {"architectures": None}]
)
def test_a_plain_encoder_is_an_embedder(tmp_path: Path, config: dict[str, Any]) -> None:
    kind_of(read_description(write(tmp_path, config=config)))


def test_modules_of_the_checkpoints_own_code_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, "custom_st.Transformer", f"{MODELS}.Pooling")
    with pytest.raises(ExportError, match=r"lists custom_st\.Transformer, which is code .* never run"):
        kind_of(read_description(folder))


def test_packed_weights_are_refused(tmp_path: Path) -> None:
    folder = write(tmp_path, config={"quantization_config": {"quant_method": "gptq"}})
    with pytest.raises(ExportError, match="quantization_config: its weights are packed"):
        kind_of(read_description(folder))


def test_modules_without_pooling_say_nothing_of_pooling(tmp_path: Path) -> None:
    checkpoint = write(make_checkpoint(tmp_path / "checkpoint"), f"{MODELS}.Transformer", f"{MODELS}.Normalize")
    with pytest.raises(ExportError, match=r"lists Transformer, Normalize and no Pooling"):
        export(str(checkpoint), tmp_path / "model")


@pytest.mark.parametrize(
    "files",
    [
        {"config": {"architectures": ["BertForSequenceClassification"]}},
        {"config": {}, "config_sentence_transformers": {"model_type": "CrossEncoder"}},
        {"config": {}, "sentence_bert_config": {"transformer_task": "sequence-classification"}},
    ],
)
def test_rerankers_are_told_from_embedders(tmp_path: Path, files: dict[str, object]) -> None:
    assert kind_of(read_description(write(tmp_path, **files))) == "reranker"


def test_a_decoder_is_a_reranker_by_its_module_or_a_known_name(tmp_path: Path) -> None:
    score = "sentence_transformers.cross_encoder.modules.logit_score.LogitScore"
    assert kind_of(read_description(write(tmp_path / "a", BASE, score, config={}))) == "reranker"
    folder = write(tmp_path / "b", config={"architectures": ["Qwen3ForCausalLM"]})
    assert kind_of(read_description(folder, name="Qwen/Qwen3-Reranker-0.6B")) == "reranker"
    with pytest.raises(ExportError, match="a language model"):
        kind_of(read_description(folder, name="Qwen/Qwen3-0.6B"))


@pytest.mark.parametrize(
    "modules",
    [
        [f"{SPARSE}.MLMTransformer", f"{SPARSE}.SpladePooling"],
        [BASE, "sentence_transformers.sparse_encoder.modules.splade_pooling.SpladePooling"],
    ],
)
def test_splades_modules_make_a_sparse_encoder(tmp_path: Path, modules: list[str]) -> None:
    assert kind_of(read_description(write(tmp_path, *modules, config={}))) == "sparse"


@pytest.mark.parametrize(
    "files",
    [
        {"config_sentence_transformers": {"model_type": "SparseEncoder"}},
        {"sentence_bert_config": {"transformer_task": "fill-mask"}},
    ],
)
def test_sentence_transformers_says_that_it_saved_a_sparse_encoder(tmp_path: Path, files: dict[str, Any]) -> None:
    assert kind_of(read_description(write(tmp_path, BASE, config={}, **files))) == "sparse"


def test_a_plain_masked_language_model_is_splade_only_where_the_caller_says_so(tmp_path: Path) -> None:
    checkpoint = read_description(write(tmp_path, config={"architectures": ["BertForMaskedLM"]}))
    assert kind_of(checkpoint, "sparse") == "sparse"
    with pytest.raises(ExportError, match=r"a masked language model.*say so with --kind sparse"):
        kind_of(checkpoint)


@pytest.mark.parametrize("architecture", ["BertModel", "BertForSequenceClassification"])
def test_a_checkpoint_of_another_kind_is_not_splade_because_the_caller_says_so(
    tmp_path: Path, architecture: str
) -> None:
    with pytest.raises(ExportError, match="is that of "):
        kind_of(read_description(write(tmp_path, config={"architectures": [architecture]})), "sparse")


ROUTES = {"query": ["query_0"], "document": ["document_0", "document_1"]}


@pytest.mark.parametrize(
    ("types", "routes"),
    [
        ({"query_0": BASE, "document_0": BASE, "document_1": f"{MODELS}.Pooling"}, ROUTES),
        ({"image_0": BASE, "text_0": BASE}, {"image": ["image_0"], "text": ["text_0"]}),
    ],
)
def test_a_router_over_other_encoders_is_refused(
    tmp_path: Path, types: dict[str, str], routes: dict[str, list[str]]
) -> None:
    router = {"types": types, "structure": routes, "parameters": {}}
    folder = write(tmp_path, f"{MODELS}.Router", config={}, router_config=router)
    with pytest.raises(ExportError, match="is that of two encoders in one"):
        kind_of(read_description(folder))


def test_a_router_that_names_no_types_is_damaged(tmp_path: Path) -> None:
    folder = write(tmp_path, f"{MODELS}.Router", router_config={"types": {}, "structure": ROUTES})
    with pytest.raises(SourceError, match=r"router_config\.json does not say which modules its routes have"):
        read_description(folder)

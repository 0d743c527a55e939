"""Heads of rerankers: what is read, and what is refused by its name."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from safetensors.numpy import save_file

from embed_plugin import ExportError, InvalidInputError
from embed_plugin.export import ExportSettings, export
from embed_plugin.export.checkpoint.description import read_description
from embed_plugin.export.checkpoint.kinds.pair_prompts import MXBAI_RERANK, QWEN3_RERANKER
from embed_plugin.export.checkpoint.kinds.score_output import read_score_output
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.export.outputs.score import ScoreOutput

REFERENCES = Path(__file__).parents[2] / "references/rerankers"
SIGMOID, IDENTITY = "torch.nn.modules.activation.Sigmoid", "torch.nn.modules.linear.Identity"


@pytest.fixture
def copy(tmp_path: Path) -> Callable[..., Path]:
    """Copy a reference with other values in its configuration; None takes one out."""

    def make(family: str, **config: object) -> Path:
        folder = tmp_path / family
        shutil.copytree(REFERENCES / family, folder)
        change(folder / "config.json", **config)
        return folder

    return make


def change(path: Path, **values: object) -> None:
    content = json.loads(path.read_text()) | values
    path.write_text(json.dumps({name: value for name, value in content.items() if value is not None}))


def read(folder: Path) -> ScoreOutput:
    return read_score_output(read_description(folder, name=folder.name))


@pytest.mark.parametrize(
    ("config", "activation"),
    [
        ({"sentence_transformers": None}, "sigmoid"),
        ({"sentence_transformers": {"activation_fn": SIGMOID}}, "sigmoid"),
        ({"sentence_transformers": {"activation_fn": IDENTITY}}, "identity"),
        ({"sentence_transformers": None, "sbert_ce_default_activation_function": IDENTITY}, "identity"),
        ({"sentence_transformers": {"version": "4"}, "sbert_ce_default_activation_function": SIGMOID}, "sigmoid"),
    ],
)
def test_the_activation_is_what_a_checkpoint_states(
    copy: Callable[..., Path], config: dict[str, object], activation: str
) -> None:
    assert read(copy("bert", **config)).activation == activation


def test_sentence_transformers_own_file_comes_first(copy: Callable[..., Path]) -> None:
    folder = copy("modernbert", sentence_transformers={"activation_fn": SIGMOID})
    change(folder / "config_sentence_transformers.json", activation_fn=IDENTITY)
    assert read(folder).activation == "identity"


def test_segments_are_read_where_the_tokenizer_gives_them(copy: Callable[..., Path]) -> None:
    folder = copy("bert")
    assert read(folder).second_segment == 384
    change(folder / "tokenizer_config.json", model_input_names=["input_ids", "attention_mask"])
    assert read(folder).second_segment == 0


@pytest.mark.parametrize(
    ("family", "config", "said"),
    [
        ("bert", {"architectures": ["AlbertForSequenceClassification"]}, "rerankers of Albert.* not written"),
        ("bert", {"architectures": None}, "rerankers of no stated class"),
        ("bert", {"sentence_transformers": {"activation_fn": "torch.nn.Tanh"}}, r"the activation 'torch\.nn\.Tanh'"),
        ("modernbert", {"classifier_pooling": "max"}, "classifier_pooling 'max'"),
        ("modernbert", {"classifier_activation": "silu"}, "classifier_activation 'silu'"),
        ("modernbert", {"classifier_bias": True}, r"no tensor head\.dense\.bias"),
        ("modernbert-cls", {"norm_bias": False}, r"hold head\.norm\.bias, which a model of its config\.json has not"),
        ("deberta-v3", {"pooler_hidden_act": "silu"}, "pooler_hidden_act 'silu'"),
        (
            "deberta-v3",
            {"type_vocab_size": 2},
            "type_vocab_size 2: a DeBERTa that tells query and text apart by segments",
        ),
        ("distilbert", {"architectures": ["RobertaForSequenceClassification"]}, r"no tensor classifier\.dense\.weight"),
        ("roberta", {"architectures": ["BertForSequenceClassification"]}, r"no tensor bert\.pooler\.dense\.weight"),
    ],
)
def test_what_is_not_computed_is_refused_by_name(
    copy: Callable[..., Path], family: str, config: dict[str, object], said: str
) -> None:
    with pytest.raises(ExportError, match=said):
        read(copy(family, **config))


LAST_LAYERS = {
    "bert": "classifier",
    "deberta-v3": "classifier",
    "distilbert": "classifier",
    "electra": "classifier.out_proj",
    "qwen2-seq-cls": "score",
    "roberta": "classifier.out_proj",
}


@pytest.mark.parametrize("family", LAST_LAYERS)
def test_a_classifier_of_more_labels_is_refused(copy: Callable[..., Path], family: str) -> None:
    folder = copy(family, id2label={"0": "contradiction", "1": "entailment", "2": "neutral"})
    weights = folder / "model.safetensors"
    tensors = {name: read_tensor(weights, name) for name in tensor_names(weights)}
    for name in (f"{LAST_LAYERS[family]}.{end}" for end in ("weight", "bias")):
        tensors |= {name: np.concatenate([tensors[name]] * 3)} if name in tensors else {}
    save_file(tensors, weights)
    said = r"gives 3 labels \(contradiction, entailment, neutral\): it is a classifier"
    with pytest.raises(ExportError, match=said):
        export(str(folder), folder.parent / "model")


def test_other_modules_and_a_prompt_before_queries_are_refused(copy: Callable[..., Path]) -> None:
    folder = copy("modernbert")
    change(folder / "config_sentence_transformers.json", prompts={"q": "query: "}, default_prompt_name="q")
    with pytest.raises(ExportError, match="puts 'query: ' before queries"):
        read(folder)
    modules = [{"idx": 0, "name": "0", "path": "", "type": "sentence_transformers.base.modules.dense.Dense"}]
    (folder / "modules.json").write_text(json.dumps(modules))
    with pytest.raises(ExportError, match="lists Dense, which the graph would leave out"):
        read(folder)


def test_one_answer_is_its_logit_and_wrong_answers_are_refused(copy: Callable[..., Path]) -> None:
    folder = copy("qwen3-reranker-tied")
    both = read(folder).dense[0].weight
    settings = folder / "1_LogitScore/config.json"
    no = json.loads(settings.read_text())["false_token_id"]
    words = read_tensor(folder / "model.safetensors", "model.embed_tokens.weight")
    change(settings, false_token_id=None)
    np.testing.assert_array_equal(read(folder).dense[0].weight - words[no], both)
    for token, said in ((384, "has 384"), (-1, "the tokens -1"), ("a", "the tokens 'a'")):
        change(settings, true_token_id=token)
        with pytest.raises(ExportError, match=said):
            read(folder)


def test_a_decoder_that_classifies_takes_a_known_prompt_or_its_callers(copy: Callable[..., Path]) -> None:
    own, named = read(copy("qwen2-seq-cls")), read(copy("qwen3-reranker-seq-cls"))
    assert (own.prompt, own.facts()["prompt_by_caller"]) == (None, True)
    assert named.prompt == QWEN3_RERANKER
    assert "prompt_by_caller" not in named.facts()


def test_mxbai_answers_by_digits_and_its_score_is_raw(copy: Callable[..., Path]) -> None:
    folder = copy("mxbai-rerank-base-v2")
    output, vocabulary = read(folder), json.loads((folder / "tokenizer.json").read_text())["model"]["vocab"]
    words = read_tensor(folder / "model.safetensors", "model.embed_tokens.weight")
    np.testing.assert_array_equal(output.dense[0].weight[0], words[vocabulary["1"]] - words[vocabulary["0"]])
    assert (output.activation, output.prompt) == ("identity", MXBAI_RERANK)
    in_template = read(copy("mxbai-rerank-v2-in-template")).prompt
    assert in_template == replace(MXBAI_RERANK, apart=False, longest=0)


def test_a_decoder_needs_a_known_prompt(copy: Callable[..., Path]) -> None:
    folder = copy("qwen3-reranker-tied")
    template = folder / "chat_template.jinja"
    template.write_text(template.read_text().replace("Judge whether", "Say if"))
    with pytest.raises(ExportError, match="a chat template says in which prompt"):
        read(folder)
    template.unlink()
    assert read(folder).prompt is not None  # by the folder's name
    with pytest.raises(ExportError, match="nothing says in which prompt this decoder reads a pair"):
        read(folder.rename(folder.with_name("other")))


def test_an_encoder_without_a_written_head_is_refused_before_another_exporter_is_named(tmp_path: Path) -> None:
    config = {"model_type": "roformer", "architectures": ["RoFormerForSequenceClassification"]}
    for name in ("model.safetensors", "tokenizer.json"):
        shutil.copy(REFERENCES / "bert" / name, tmp_path / name)
    (tmp_path / "config.json").write_text(json.dumps(config))
    with pytest.raises(ExportError, match="rerankers of RoFormerForSequenceClassification are not written"):
        export(str(tmp_path), tmp_path / "model")


@pytest.mark.parametrize("settings", [{"query_prefix": "q: "}, {"document_prefix": ""}, {"dimension": 8}])
def test_settings_of_vectors_are_refused(tmp_path: Path, settings: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=f"{next(iter(settings))} is a setting of embedding models"):
        export(str(REFERENCES / "bert"), tmp_path / "model", ExportSettings(**settings))  # type: ignore[arg-type]


def test_weights_of_the_encoder_that_are_left_are_refused(copy: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(ExportError, match=r"that a model of its config\.json has not"):
        export(str(copy("bert", num_hidden_layers=1)), tmp_path / "model")

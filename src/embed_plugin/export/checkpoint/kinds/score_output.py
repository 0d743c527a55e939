"""Read the head of a reranker: the layers behind the encoder, the activation, and how query and text are joined."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError
from embed_plugin.export.architectures.registry import find_architecture
from embed_plugin.export.checkpoint.description import LOGIT_SCORE, TRANSFORMER
from embed_plugin.export.checkpoint.files import MODULES
from embed_plugin.export.checkpoint.head import has_head, read_head
from embed_plugin.export.checkpoint.kinds.pair_prompts import answer_tokens, find_prompt, require_prompt
from embed_plugin.export.checkpoint.tensors import tensor_names
from embed_plugin.export.outputs.score import HeadNorm, ScoreOutput
from embed_plugin.export.outputs.vector import Dense

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embed_plugin.export.checkpoint.description import CheckpointDescription, JsonFile
    from embed_plugin.export.outputs.vector import DenseActivation
    from embed_plugin.model.scores import ScoreActivation
    from embed_plugin.types import Pooling

_ACTIVATIONS: dict[str, ScoreActivation] = {
    "torch.nn.modules.activation.Sigmoid": "sigmoid",
    "torch.nn.modules.linear.Identity": "identity",
}
_HEAD_ACTIVATIONS: dict[str, DenseActivation] = {"gelu": "Gelu", "relu": "Relu", "tanh": "Tanh"}
_HEADS = ("bert.pooler.", "classifier.", "head.", "lm_head.", "new.pooler.", "pooler.", "pre_classifier.", "score.")
"""The beginnings of the names of all tensors that are a head's."""

_KNOWN_CODE = (
    "modeling.NewForSequenceClassification",
    "modeling_bert.JinaBertForSequenceClassification",
    "modeling_xlm_roberta.XLMRobertaForSequenceClassification",
)
"""The heads in ``auto_map`` in place of which the readers are written."""


def require_written_head(checkpoint: CheckpointDescription) -> str:
    """Return the name of a reranker's class, of which there is a reader here.

    Raises:
        ExportError: there is none.
        SourceError: the configuration cannot be read.
    """
    name = str(next(iter(checkpoint.config.object().get("architectures") or ()), "no stated class"))
    if name not in _READERS:
        known = ", ".join(_READERS)
        raise ExportError(f"{checkpoint.config.path}: rerankers of {name} are not written; those that are: {known}")
    return name


def read_score_output(checkpoint: CheckpointDescription) -> ScoreOutput:
    """Read the head of a reranker.

    Raises:
        ExportError: it is of a class, or has a value, that the graph does not compute; weights are missing or left.
        SourceError: a file cannot be read.
    """
    name = require_written_head(checkpoint)
    _refuse_other_steps(checkpoint)
    _refuse_own_code(checkpoint)
    head = _Head(checkpoint, checkpoint.config.object())
    output = _READERS[name](head)
    head.require_all_used()
    return output


@dataclass(frozen=True)
class _Head:
    """The tensors of a head, whose names are collected as they are read."""

    checkpoint: CheckpointDescription
    config: Mapping[str, Any]
    used: set[str] = field(default_factory=set)

    def linear(self, name: str, activation: DenseActivation = "Identity", *, has_bias: bool = True) -> Dense:
        """A linear layer."""
        parts = [f"{name}.weight", *([f"{name}.bias"] if has_bias else [])]
        self.used.update(parts)
        weight, *bias = (read_head(self.checkpoint, part) for part in parts)
        return Dense(weight, bias[0] if bias else None, activation)

    def last(self, name: str, *, has_bias: bool = True) -> Dense:
        """The last layer, which gives one number."""
        dense = self.linear(name, has_bias=has_bias)
        if len(dense.weight) != 1:
            labels = ", ".join(map(str, (self.config.get("id2label") or {}).values()))
            found = f"{self.checkpoint.folder} gives {len(dense.weight)} labels ({labels}): it is a classifier"
            raise ExportError(f"{found}, and a reranker gives one score. Give a model with one label")
        return dense

    def norm(self, name: str) -> HeadNorm:
        """A norm, which has a bias if the configuration says so."""
        has_bias = bool(self.config.get("norm_bias", False))
        parts = [f"{name}.weight", *([f"{name}.bias"] if has_bias else [])]
        self.used.update(parts)
        scale, *bias = (read_head(self.checkpoint, part) for part in parts)
        return HeadNorm(scale, bias[0] if bias else None, float(self.config.get("norm_eps", 1e-5)))

    def require_all_used(self) -> None:
        """Refuse tensors of a head that the graph does not use."""
        names = [name for path in self.checkpoint.weight_files() for name in tensor_names(path)]
        left = sorted(name for name in names if name.startswith(_HEADS) and name not in self.used)
        if left:
            found = f"the weights in {self.checkpoint.encoder} hold {', '.join(left[:3])}"
            raise ExportError(f"{found}, which a model of its config.json has not: take both of one model")


def _bert(head: _Head) -> ScoreOutput:
    """BertForSequenceClassification: the pooler's layer on the first token, and the classifier."""
    return _pooled(head, "bert.pooler.dense", "Tanh", second_segment=_second_segment(head))


def _new(head: _Head) -> ScoreOutput:
    """NewForSequenceClassification, of gte: as BERT's."""
    return _pooled(head, "new.pooler.dense", "Tanh", second_segment=_second_segment(head))


def _deberta(head: _Head) -> ScoreOutput:
    """DebertaV2ForSequenceClassification: as BERT's, with an activation of its own."""
    if int(head.config.get("type_vocab_size", 0)) > 0:
        found = f"{head.checkpoint.config.path} has type_vocab_size {head.config['type_vocab_size']}"
        raise ExportError(f"{found}: a DeBERTa that tells query and text apart by segments is not written")
    return _pooled(head, "pooler.dense", _head_activation(head, "pooler_hidden_act"))


def _pooled(head: _Head, pooler: str, activation: DenseActivation, *, second_segment: int = 0) -> ScoreOutput:
    dense = head.linear(pooler, activation), head.last("classifier")
    return ScoreOutput("cls", dense, _activation(head.checkpoint), second_segment=second_segment)


def _electra(head: _Head) -> ScoreOutput:
    """ElectraForSequenceClassification: two layers of its own on the first token."""
    dense = head.linear("classifier.dense", "Gelu"), head.last("classifier.out_proj")
    return ScoreOutput("cls", dense, _activation(head.checkpoint), second_segment=_second_segment(head))


def _distilbert(head: _Head) -> ScoreOutput:
    """DistilBertForSequenceClassification, which has no segments."""
    dense = head.linear("pre_classifier", "Relu"), head.last("classifier")
    return ScoreOutput("cls", dense, _activation(head.checkpoint))


def _roberta(head: _Head) -> ScoreOutput:
    """RobertaForSequenceClassification, of which all tokens are of one segment."""
    dense = head.linear("classifier.dense", "Tanh"), head.last("classifier.out_proj")
    return ScoreOutput("cls", dense, _activation(head.checkpoint))


def _modernbert(head: _Head) -> ScoreOutput:
    """ModernBertForSequenceClassification: a layer, a norm, and the classifier, on the first token or the mean."""
    config, path = head.config, head.checkpoint.config.path
    pooling, activation = config.get("classifier_pooling", "cls"), _head_activation(head, "classifier_activation")
    poolings: dict[object, Pooling] = {"cls": "cls", "mean": "mean"}
    if pooling not in poolings:
        raise ExportError(f"{path} has classifier_pooling {pooling!r}; the graph pools by cls or mean")
    has_bias = bool(config.get("classifier_bias", False))
    dense = head.linear("head.dense", activation, has_bias=has_bias), head.last("classifier")
    return ScoreOutput(poolings[pooling], dense, _activation(head.checkpoint), head.norm("head.norm"))


def _head_activation(head: _Head, name: str) -> DenseActivation:
    """The activation of a head's first layer, by its name in the configuration; GELU where that is left out."""
    stated = head.config.get(name, "gelu")
    if stated not in _HEAD_ACTIVATIONS:
        known = ", ".join(_HEAD_ACTIVATIONS)
        raise ExportError(f"{head.checkpoint.config.path} has {name} {stated!r}; the graph knows {known}")
    return _HEAD_ACTIVATIONS[stated]


def _answering_decoder(head: _Head) -> ScoreOutput:
    """A language model that answers yes or no: the difference of both tokens' logits at the last token."""
    checkpoint = head.checkpoint
    known, prompt = require_prompt(checkpoint)
    yes, no = _answers(checkpoint, known.answers)
    tied = bool(head.config.get("tie_word_embeddings", False))
    words = "model.embed_tokens.weight" if tied else "lm_head.weight"
    if has_head(checkpoint, "lm_head.weight"):  # a tied one may be there, and is the same
        head.used.add("lm_head.weight")
    rows = read_head(checkpoint, words)
    if max(yes, no or 0) >= len(rows):
        raise ExportError(
            f"{checkpoint.folder} scores by the tokens {yes} and {no}, and has {len(rows)}: fetch it again"
        )
    weight = rows[[yes]] if no is None else rows[[yes]] - rows[[no]]
    activation = _activation(checkpoint, "sigmoid" if checkpoint.modules else known.activation)
    return ScoreOutput("lasttoken", (Dense(weight, None, "Identity"),), activation, prompt=prompt)


def _classifying_decoder(head: _Head) -> ScoreOutput:
    """A decoder with a layer that gives one number at the last token; callers put the prompt where none is known."""
    dense, found = (head.last("score", has_bias=False),), find_prompt(head.checkpoint)
    if found is None:
        return ScoreOutput("lasttoken", dense, _activation(head.checkpoint), prompt_by_caller=True)
    return ScoreOutput("lasttoken", dense, _activation(head.checkpoint), prompt=found[1])


_READERS: dict[str, Callable[[_Head], ScoreOutput]] = {
    "BertForSequenceClassification": _bert,
    "CamembertForSequenceClassification": _roberta,
    "DebertaV2ForSequenceClassification": _deberta,
    "DistilBertForSequenceClassification": _distilbert,
    "ElectraForSequenceClassification": _electra,
    "JinaBertForSequenceClassification": _bert,
    "ModernBertForSequenceClassification": _modernbert,
    "NewForSequenceClassification": _new,
    "Qwen2ForCausalLM": _answering_decoder,
    "Qwen2ForSequenceClassification": _classifying_decoder,
    "Qwen3ForCausalLM": _answering_decoder,
    "Qwen3ForSequenceClassification": _classifying_decoder,
    "RobertaForSequenceClassification": _roberta,
    "XLMRobertaForSequenceClassification": _roberta,
}
"""By the name of the class in ``config.json``."""


def _refuse_other_steps(checkpoint: CheckpointDescription) -> None:
    """Refuse modules that the graph would leave out, and a prompt that sentence-transformers puts before queries."""
    others = ", ".join(sorted(set(checkpoint.kinds) - {TRANSFORMER, LOGIT_SCORE}))
    if others:
        raise ExportError(f"{checkpoint.folder / MODULES} lists {others}, which the graph would leave out")
    stated = checkpoint.sentence_transformers.object_if_there()
    prompts = stated.get("prompts") or {}
    if prompt := prompts.get(stated.get("default_prompt_name")):
        path = checkpoint.sentence_transformers.path
        raise ExportError(f"{path} puts {prompt!r:.80} before queries (default_prompt_name), which is not written")


def _refuse_own_code(checkpoint: CheckpointDescription) -> None:
    """Refuse a head that is code of the checkpoint's own, but for the known ones."""
    code = (checkpoint.config.object().get("auto_map") or {}).get("AutoModelForSequenceClassification")
    if code and not str(code).endswith(_KNOWN_CODE):
        found = f"{checkpoint.config.path} names {code} (auto_map), which is code that comes with the checkpoint"
        raise ExportError(f"{found}: that is never run, so this reranker cannot be made")


def _activation(checkpoint: CheckpointDescription, usual: ScoreActivation = "sigmoid") -> ScoreActivation:
    """The activation of the score: sentence-transformers', its older name, and the usual one."""
    config = checkpoint.config.object()
    newer = config.get("sentence_transformers")
    places: list[tuple[JsonFile, object]] = [
        (checkpoint.sentence_transformers, checkpoint.sentence_transformers.object_if_there().get("activation_fn")),
        (checkpoint.config, newer.get("activation_fn") if isinstance(newer, dict) else None),
        (checkpoint.config, config.get("sbert_ce_default_activation_function")),
    ]
    for file, stated in places:
        if stated is None:
            continue
        if stated not in _ACTIVATIONS:
            known = ", ".join(_ACTIVATIONS)
            raise ExportError(f"{file.path} has the activation {stated!r}; scores are made by {known}")
        return _ACTIVATIONS[str(stated)]
    return usual


def _second_segment(head: _Head) -> int:
    """Rows of the word table if the tokens of a text are of the second segment, else 0."""
    stated = head.checkpoint.tokenizer_settings().get("model_input_names")
    if isinstance(stated, list) and "token_type_ids" not in stated:
        return 0
    if int(head.config.get("type_vocab_size", 2)) < 2:  # noqa: PLR2004 - one for the query, one for the text
        return 0
    family = find_architecture(head.checkpoint)
    tables = (f"{prefix}{family.word_table}" for prefix in family.prefixes)
    table = next((name for name in tables if has_head(head.checkpoint, name)), family.word_table)
    return len(read_head(head.checkpoint, table))


def _answers(checkpoint: CheckpointDescription, words: tuple[str, str]) -> tuple[int, int | None]:
    """The tokens whose logits make the score: those that the LogitScore module states, else those of the words."""
    module = next((module for module in checkpoint.modules if module.kind == LOGIT_SCORE), None)
    if module is None or module.settings is None:
        return answer_tokens(checkpoint, words)
    stated = module.settings.object()
    yes, no = stated.get("true_token_id"), stated.get("false_token_id")
    if not isinstance(yes, int) or not isinstance(no, int | None) or min(yes, no or 0) < 0:
        found = f"{module.settings.path} has the tokens {yes!r} and {no!r}"
        raise ExportError(f"{found}, expected their numbers: fetch the checkpoint again")
    return yes, no

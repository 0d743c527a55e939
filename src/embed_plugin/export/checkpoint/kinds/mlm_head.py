"""Read the head of a masked language model: the layers between token vectors and a score for each word."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.architectures.registry import find_architecture
from embed_plugin.export.checkpoint.head import has_head, read_head
from embed_plugin.export.checkpoint.tensors import tensor_names
from embed_plugin.export.layers.activation import ACTIVATIONS
from embed_plugin.export.outputs.sparse import MlmHead

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.layers.activation import Activation


@dataclass(frozen=True)
class _Layout:
    """Names of a head's parts in the weights, and of its settings in ``config.json``.

    Attributes:
        dense: The layer that is activated and normalised.
        norm: The norm.
        decoder: The layer that gives a score for each word; its weight may be the word table.
        biases: Names that the words' bias has; several of them are one tensor.
        owned: The beginnings of the names of all tensors of the head.
        activation: The key of the activation; empty: it is GELU in every model.
        epsilon: The key of the norm's epsilon; empty: it is ``default_epsilon`` in every model.
        default_epsilon: Where the key is left out.
    """

    dense: str
    norm: str
    decoder: str
    biases: tuple[str, ...]
    owned: tuple[str, ...]
    activation: str = ""
    epsilon: str = "layer_norm_eps"
    default_epsilon: float | None = None


_BERT = _Layout(
    "cls.predictions.transform.dense",
    "cls.predictions.transform.LayerNorm",
    "cls.predictions.decoder",
    ("cls.predictions.bias", "cls.predictions.decoder.bias"),
    ("cls.predictions.",),
    activation="hidden_act",
)
_ROBERTA = _Layout(
    "lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", ("lm_head.bias", "lm_head.decoder.bias"), ("lm_head.",)
)
_DISTILBERT = _Layout(
    "vocab_transform",
    "vocab_layer_norm",
    "vocab_projector",
    ("vocab_projector.bias",),
    ("vocab_",),
    activation="activation",
    epsilon="",
    default_epsilon=1e-12,
)
_MODERNBERT = _Layout(
    "head.dense",
    "head.norm",
    "decoder",
    ("decoder.bias",),
    ("head.", "decoder."),
    activation="classifier_activation",
    epsilon="norm_eps",
    default_epsilon=1e-5,
)
_LAYOUTS = {
    "bert": _BERT,
    "camembert": _ROBERTA,
    "distilbert": _DISTILBERT,
    "modernbert": _MODERNBERT,
    "mpnet": _ROBERTA,
    "roberta": _ROBERTA,
    "xlm-roberta": _ROBERTA,
}
"""By ``model_type``."""

_DEFAULT_ACTIVATIONS = {"classifier_activation": "gelu"}
"""By key: the activation of a configuration that leaves it out, as older ones of ModernBERT do."""


def read_mlm_head(checkpoint: CheckpointDescription) -> MlmHead:
    """Find the head; its tensors are read when the graph is written.

    Raises:
        ExportError: the head of this architecture is not known, a tensor is missing or left over, or a setting is not
            written or not known.
    """
    layout = _LAYOUTS.get(checkpoint.model_type)
    if layout is None:
        found = f"{checkpoint.config.path} has the model_type {checkpoint.model_type!r}"
        raise ExportError(f"{found}; heads over the vocabulary are known of {', '.join(sorted(_LAYOUTS))}")
    config = checkpoint.config.object()
    head = MlmHead(
        weights=partial(read_head, checkpoint),
        dense=layout.dense,
        norm=layout.norm,
        has_dense_bias=has_head(checkpoint, f"{layout.dense}.bias"),
        has_norm_bias=has_head(checkpoint, f"{layout.norm}.bias"),
        epsilon=_epsilon(checkpoint, config, layout),
        activation=_activation(checkpoint, config, layout),
        decoder=_decoder(checkpoint, config, layout),
        bias=_bias(checkpoint, layout),
    )
    _require_all_used(checkpoint, layout, head)
    return head


def _epsilon(checkpoint: CheckpointDescription, config: Mapping[str, object], layout: _Layout) -> float:
    value = config.get(layout.epsilon, layout.default_epsilon)
    if not isinstance(value, float | int):
        raise ExportError(f"{checkpoint.config.path} has {layout.epsilon} {value!r}, expected a number: write it there")
    return float(value)


def _activation(checkpoint: CheckpointDescription, config: Mapping[str, object], layout: _Layout) -> Activation:
    if not layout.activation:
        return "gelu"
    value = config.get(layout.activation, _DEFAULT_ACTIVATIONS.get(layout.activation))
    if value not in ACTIVATIONS:
        found = f"{checkpoint.config.path} has {layout.activation} {value!r}"
        raise ExportError(f"{found}; the graph knows {', '.join(ACTIVATIONS)}")
    return ACTIVATIONS[str(value)]


def _decoder(checkpoint: CheckpointDescription, config: Mapping[str, object], layout: _Layout) -> str:
    """Name of the tensor ``(words, channels)``: the decoder's own, or the word table where the two are tied."""
    own = f"{layout.decoder}.weight"
    family = find_architecture(checkpoint)
    tables = (f"{prefix}{family.word_table}" for prefix in family.prefixes)
    table = next((name for name in tables if has_head(checkpoint, name)), "")
    if config.get("tie_word_embeddings", True) is not True:
        return own
    if has_head(checkpoint, own) and not np.array_equal(read_head(checkpoint, own), read_head(checkpoint, table)):
        found = f"{checkpoint.config.path} says that {own} is the word table (tie_word_embeddings), and it differs"
        raise ExportError(f"{found}: take config.json and weights of one model, or write false there")
    return table


def _bias(checkpoint: CheckpointDescription, layout: _Layout) -> str:
    """Name of the bias of the words; empty: there is none."""
    present = [name for name in layout.biases if has_head(checkpoint, name)]
    values = [read_head(checkpoint, name) for name in present]
    if any(not np.array_equal(values[0], each) for each in values[1:]):
        raise ExportError(f"the weights in {checkpoint.encoder} have two biases of words, {' and '.join(present)}")
    if not present and checkpoint.config.object().get("decoder_bias", True):
        found = f"the weights in {checkpoint.encoder} hold no tensor {layout.biases[0]}"
        raise ExportError(f"{found}, which a model of its config.json has: fetch the checkpoint again")
    return present[0] if present else ""


def _require_all_used(checkpoint: CheckpointDescription, layout: _Layout, head: MlmHead) -> None:
    """Refuse a head with other tensors than the graph uses, or without one of them."""
    used = {f"{layout.dense}.weight", f"{layout.norm}.weight", head.decoder, head.bias} - {""}
    used |= {f"{layout.dense}.bias"} if head.has_dense_bias else set()
    used |= {f"{layout.norm}.bias"} if head.has_norm_bias else set()
    present = {name for path in checkpoint.weight_files() for name in tensor_names(path)}
    missing = used - present
    left = {name for name in present - used if name.startswith(layout.owned)}
    left -= {*layout.biases, f"{layout.decoder}.weight"}
    if missing or left:
        found = f"the head in {checkpoint.encoder} lacks {', '.join(sorted(missing)) or 'nothing'} and has "
        found += f"{', '.join(sorted(left)) or 'nothing'} besides"
        raise ExportError(f"{found}: take config.json and weights of one model, fetched again")

"""The architectures whose graphs are written from the weights.

Adding one is a file in this folder, which ends in an :class:`Architecture`, and a line in :data:`ARCHITECTURES`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import UnknownArchitectureError
from embed_plugin.export.architectures.bert_like.albert import ALBERT
from embed_plugin.export.architectures.bert_like.bert import BERT
from embed_plugin.export.architectures.bert_like.distilbert import DISTILBERT
from embed_plugin.export.architectures.bert_like.electra import ELECTRA
from embed_plugin.export.architectures.bert_like.mpnet import MPNET
from embed_plugin.export.architectures.deberta_v2 import DEBERTA_V2
from embed_plugin.export.architectures.decoders.decoder import DECODER
from embed_plugin.export.architectures.decoders.gemma3 import GEMMA3
from embed_plugin.export.architectures.eurobert import EUROBERT
from embed_plugin.export.architectures.jina_bert import JINA_BERT
from embed_plugin.export.architectures.jina_v3 import JINA_V3
from embed_plugin.export.architectures.modernbert import MODERNBERT
from embed_plugin.export.architectures.new import NEW
from embed_plugin.export.architectures.nomic import NOMIC
from embed_plugin.export.architectures.t5 import T5
from embed_plugin.export.architectures.xlm_roberta_flash import XLM_ROBERTA_FLASH
from embed_plugin.export.traced.known import OPTIMUM_KNOWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.export.architectures.architecture import Architecture
    from embed_plugin.export.checkpoint.description import CheckpointDescription

ARCHITECTURES: tuple[Architecture[Any], ...] = (
    ALBERT,
    BERT,
    DEBERTA_V2,
    DECODER,
    DISTILBERT,
    ELECTRA,
    EUROBERT,
    GEMMA3,
    JINA_BERT,
    JINA_V3,
    MODERNBERT,
    MPNET,
    NEW,
    NOMIC,
    T5,
    XLM_ROBERTA_FLASH,
)
"""``find_unwritten`` tells families of one model type apart; where it is none of them, the message is the first's."""

OTHER_EXPORTER = (
    "The exporter through optimum may know it: in an environment of its own, run  pip install 'embed-plugin[optimum]'  "
    "and export there with --exporter optimum; the model folder then works anywhere"
)


def find_architecture(checkpoint: CheckpointDescription) -> Architecture[Any]:
    """Find the architecture of a checkpoint.

    Raises:
        UnknownArchitectureError: none of the registered ones writes its graph; names the exporter that may.
        SourceError: ``config.json`` cannot be read.
    """
    config, model_type = checkpoint.config.object(), checkpoint.model_type
    families = [family for family in ARCHITECTURES if model_type in family.model_types]
    if not families:
        raise _unknown(f"architecture {model_type!r}", config, optimum=model_type in OPTIMUM_KNOWS)
    refusals = []
    for family in families:
        unwritten = family.find_unwritten(config)
        if unwritten is None:
            return family
        refusals.append(unwritten)
    raise _unknown(refusals[0].what, config, optimum=refusals[0].optimum)


def _unknown(what: str, config: Mapping[str, object], *, optimum: bool) -> UnknownArchitectureError:
    """The error for a model without a graph, which names the other exporter if that may know it."""
    if optimum:
        known = ", ".join(dict.fromkeys(each for family in ARCHITECTURES for each in family.model_types))
        message = f"{what} is not known to the native exporter (it knows {known})"
        return UnknownArchitectureError(f"{message}. {OTHER_EXPORTER}")
    own_code = "; the checkpoint brings code for it (auto_map), which is never run" if "auto_map" in config else ""
    return UnknownArchitectureError(f"{what} is known to neither exporter{own_code}")

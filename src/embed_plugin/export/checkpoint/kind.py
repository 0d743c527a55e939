"""Find the kind of model that a checkpoint is, and refuse one of which nothing is made."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import ExportError
from embed_plugin.export.adapters.stacked import JINA_V3_CODE
from embed_plugin.export.checkpoint.description import LOGIT_SCORE, POOLING
from embed_plugin.export.checkpoint.files import MODULES
from embed_plugin.export.checkpoint.kinds.pair_prompts import known_prompt
from embed_plugin.model.kinds import KINDS

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.types import Kind


class Other(NamedTuple):
    """A kind of model of which nothing is made.

    Attributes:
        what: Its name, and the reason.
    """

    what: str


RERANKER: Kind = "reranker"
SPARSE: Kind = "sparse"
COLBERT: Kind = "late-interaction"
WORDS = Other("a model of word vectors or word counts: it has no encoder")
ROUTER = Other("two encoders in one, for queries and for documents")
UNPOOLED = Other(
    "a masked language model (SPLADE, or the base of other models): nothing says how it pools. If it is SPLADE, say so "
    "with --kind sparse"
)
LANGUAGE_MODEL = Other("a language model: nothing says how it pools")
FOR_ANOTHER_TASK = Other("a model for another task")

_OF_MODULE: dict[str, Kind | Other] = {
    "BoW": WORDS,
    "CLIPModel": Other("a CLIP model of images and texts"),
    LOGIT_SCORE: RERANKER,
    "MLMTransformer": SPARSE,
    "Router": ROUTER,
    "Asym": ROUTER,
    "SparseAutoEncoder": Other("a sparse autoencoder (CSR): its words are no words of a vocabulary"),
    "SparseStaticEmbedding": Other("a table of weights of words without an encoder of documents"),
    "SpladePooling": SPARSE,
    "WordEmbeddings": WORDS,
}
_OF_TASK: dict[str, Kind | Other] = {
    "any-to-any": Other("a generating model"),
    "fill-mask": SPARSE,
    "sequence-classification": RERANKER,
    "text-generation": RERANKER,
}
_OF_MODEL_TYPE: dict[str, Kind | Other] = {"ColBERT": COLBERT, "CrossEncoder": RERANKER, "SparseEncoder": SPARSE}
_OF_ARCHITECTURE: dict[str, Kind | Other] = {
    "HF_ColBERT": COLBERT,
    "ForSequenceClassification": RERANKER,
    "ForMaskedLM": UNPOOLED,
    "ForCausalLM": LANGUAGE_MODEL,
}
"""By the end of the class name; any other class that :data:`_HAS_TASK` finds is for another task too."""

_HAS_TASK = re.compile("For[A-Z]")
"""``BertForTokenClassification``, and not ``RoFormerModel``."""

_KNOWN_CODE = {JINA_V3_CODE: "custom_st.Transformer"}
"""A module of a checkpoint's own that is sentence-transformers' Transformer, but for the choice of an adapter, which
export makes too; by the class of the model in ``auto_map``."""

PYLATE_DENSE = "pylate.models.Dense"
"""PyLate's linear layer on each token."""

REMEDY = (
    "Text embedders, rerankers, sparse encoders and ColBERT models are exported: give one whose "
    f"{MODULES} lists a Pooling or a SpladePooling module, a reranker, or PyLate's modules"
)


class _Found(NamedTuple):
    """The kind that a file states.

    Attributes:
        path: The file.
        statement: The part of it that states the kind.
        kind: The kind.
    """

    path: Path
    statement: str
    kind: Kind | Other


def kind_of(checkpoint: CheckpointDescription, asked: Kind | None = None) -> Kind:
    """Return the kind of a checkpoint.

    The modules decide. Without a Pooling among them, the class that saved the checkpoint decides. The class alone does
    not tell SPLADE from the base of other models, so there the caller decides.

    Args:
        checkpoint: The checkpoint.
        asked: The kind that the caller says it is; None: what its files say.

    Raises:
        ExportError: it is of a kind of which nothing is made, or that was not asked for; the message names it and the
            file that states it.
        SourceError: a file cannot be read.
    """
    found = _found(checkpoint)
    if found and found.kind is UNPOOLED and asked == SPARSE:
        found = found._replace(kind=SPARSE)
    if found and isinstance(found.kind, Other):
        raise ExportError(f"{found.path} ({found.statement}) is that of {found.kind.what}. {REMEDY}")
    kind: Kind = found.kind if found and not isinstance(found.kind, Other) else "embedding"
    if asked is not None and asked != kind:
        stated = f"{found.path} ({found.statement})" if found else f"{checkpoint.folder} (by its files)"
        raise ExportError(f"{stated} is that of {KINDS[kind].called}, and {asked} was asked for: leave --kind out")
    _refuse_own_code(checkpoint)
    config = checkpoint.config.object_if_there()
    if "quantization_config" in config:
        packed = f"{checkpoint.config.path} has a quantization_config"
        raise ExportError(f"{packed}: its weights are packed integers. Give the checkpoint before it was quantised")
    return kind


def _found(checkpoint: CheckpointDescription) -> _Found | None:
    """The kind that a file states; None: none does."""
    found = _of_modules(checkpoint) or _of_task(checkpoint)
    config = checkpoint.config.object_if_there()
    if found is None and POOLING not in checkpoint.kinds:
        found = _of_class(checkpoint, config.get("architectures"))
    if checkpoint.query_modules and (found is None or found.kind != SPARSE):
        return _Found(checkpoint.folder / MODULES, "it lists a router", ROUTER)
    return found


def _of_modules(checkpoint: CheckpointDescription) -> _Found | None:
    """The kind that a module has to itself."""
    for module in checkpoint.modules:
        kind = COLBERT if module.type.startswith("pylate.") else _OF_MODULE.get(module.kind)
        if kind:
            return _Found(checkpoint.folder / MODULES, f"it lists {module.type}", kind)
    return None


def _of_task(checkpoint: CheckpointDescription) -> _Found | None:
    """The kind of the Transformer module's task."""
    task = checkpoint.transformer_settings().get("transformer_task")
    if task not in _OF_TASK:
        return None
    return _Found(checkpoint.transformer.path, f"its transformer_task is {task!r}", _OF_TASK[task])


def _refuse_own_code(checkpoint: CheckpointDescription) -> None:
    """Refuse modules whose code comes with the checkpoint."""
    path, modules = checkpoint.folder / MODULES, [module.type for module in checkpoint.modules]
    auto_map = checkpoint.config.object_if_there().get("auto_map") or {}
    known = _KNOWN_CODE.get(str(auto_map.get("AutoModel")), "sentence_transformers.")
    own = [module for module in modules if not module.startswith(("sentence_transformers.", PYLATE_DENSE, known))]
    if own:
        found = f"{path} lists {', '.join(own)}, which is code that comes with the checkpoint"
        raise ExportError(f"{found}: that is never run, so neither exporter can make this model")


def _of_class(checkpoint: CheckpointDescription, architectures: object) -> _Found | None:
    """The kind of the class that saved the checkpoint."""
    model_type = checkpoint.sentence_transformers.object_if_there().get("model_type")
    if model_type in _OF_MODEL_TYPE:
        path = checkpoint.sentence_transformers.path
        return _Found(path, f"its model_type is {model_type!r}", _OF_MODEL_TYPE[model_type])
    for architecture in architectures if isinstance(architectures, list) else []:
        name = str(architecture)
        ends = [kind for ending, kind in _OF_ARCHITECTURE.items() if name.endswith(ending)]
        if ends == [LANGUAGE_MODEL] and known_prompt(checkpoint) is not None:
            ends = [RERANKER]
        if ends or _HAS_TASK.search(name):
            statement = f"its architecture is {name}, and no {MODULES} has a Pooling"
            return _Found(checkpoint.config.path, statement, ends[0] if ends else FOR_ANOTHER_TASK)
    return None

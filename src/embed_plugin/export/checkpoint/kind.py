"""Find the kind of model that a checkpoint is, and refuse one of which nothing is made."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import ExportError
from embed_plugin.export.adapters.stacked import JINA_V3_CODE
from embed_plugin.export.checkpoint.description import POOLING
from embed_plugin.export.checkpoint.files import MODULES

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
UNPOOLED = Other("a masked language model (SPLADE, or the base of other models): nothing says how it pools")
LANGUAGE_MODEL = Other("a language model: nothing says how it pools")
FOR_ANOTHER_TASK = Other("a model for another task")

NOT_YET: dict[Kind, str] = {
    "reranker": "a reranker or classifier: it scores texts and gives no vectors",
    "sparse": "a sparse encoder (SPLADE): it gives weights of words and no dense vector",
}
"""Kinds that no exporter makes yet."""

_OF_MODULE: dict[str, Kind | Other] = {
    "BoW": WORDS,
    "CLIPModel": Other("a CLIP model of images and texts"),
    "LogitScore": RERANKER,
    "MLMTransformer": SPARSE,
    "Router": ROUTER,
    "Asym": ROUTER,
    "SparseAutoEncoder": SPARSE,
    "SparseStaticEmbedding": SPARSE,
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
"""By the end of the class name; any other class named ``...For...`` is for another task too."""

_KNOWN_CODE = {JINA_V3_CODE: "custom_st.Transformer"}
"""A module of a checkpoint's own that is sentence-transformers' Transformer, but for the choice of an adapter, which
export makes too; by the class of the model in ``auto_map``."""

PYLATE_DENSE = "pylate.models.Dense"
"""PyLate's linear layer on each token."""

REMEDY = f"Only text embedders are exported: give one whose {MODULES} lists a Pooling module"


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


def kind_of(checkpoint: CheckpointDescription) -> Kind:
    """Return the kind of a checkpoint.

    The modules decide. Without a Pooling among them, the class that saved the checkpoint decides.

    Raises:
        ExportError: it is of a kind of which nothing is made; the message names it and the file that states it.
        SourceError: a file cannot be read.
    """
    found = _of_modules(checkpoint) or _of_task(checkpoint)
    config = checkpoint.config.object_if_there()
    if found is None and POOLING not in checkpoint.kinds:
        found = _of_class(checkpoint, config.get("architectures"))
    if found and (isinstance(found.kind, Other) or found.kind in NOT_YET):
        what = found.kind.what if isinstance(found.kind, Other) else NOT_YET[found.kind]
        raise ExportError(f"{found.path} ({found.statement}) is that of {what}. {REMEDY}")
    _refuse_own_code(checkpoint)
    if "quantization_config" in config:
        packed = f"{checkpoint.config.path} has a quantization_config"
        raise ExportError(f"{packed}: its weights are packed integers. Give the checkpoint before it was quantised")
    return found.kind if found and not isinstance(found.kind, Other) else "embedding"


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
        if ends or "For" in name:
            statement = f"its architecture is {name}, and no {MODULES} has a Pooling"
            return _Found(checkpoint.config.path, statement, ends[0] if ends else FOR_ANOTHER_TASK)
    return None

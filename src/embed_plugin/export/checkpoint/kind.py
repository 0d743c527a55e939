"""Refuse a checkpoint that is not a text embedder, and name what it is."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.adapters.stacked import JINA_V3_CODE
from embed_plugin.export.checkpoint.description import POOLING
from embed_plugin.export.checkpoint.files import MODULES

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription

RERANKER = "a reranker or classifier: it scores texts and gives no vectors"
SPARSE = "a sparse encoder (SPLADE): it gives weights of words and no dense vector"
COLBERT = "a ColBERT model: it gives a vector for every token and none for a text"
WORDS = "a model of word vectors or word counts: it has no encoder"

_OF_MODULE = {
    "BoW": WORDS,
    "CLIPModel": "a CLIP model of images and texts",
    "LogitScore": RERANKER,
    "MLMTransformer": SPARSE,
    "Router": "two encoders in one, for queries and for documents",
    "Asym": "two encoders in one, for queries and for documents",
    "SparseAutoEncoder": SPARSE,
    "SparseStaticEmbedding": SPARSE,
    "SpladePooling": SPARSE,
    "WordEmbeddings": WORDS,
}
_OF_TASK = {
    "any-to-any": "a generating model",
    "fill-mask": SPARSE,
    "sequence-classification": RERANKER,
    "text-generation": RERANKER,
}
_OF_MODEL_TYPE = {"ColBERT": COLBERT, "CrossEncoder": RERANKER, "SparseEncoder": SPARSE}
_OF_ARCHITECTURE = {
    "HF_ColBERT": COLBERT,
    "ForSequenceClassification": RERANKER,
    "ForMaskedLM": "a masked language model (SPLADE, or the base of other models): nothing says how it pools",
    "ForCausalLM": "a language model: nothing says how it pools",
}
"""By the end of the class name; any other class named ``...For...`` is for another task too."""

_KNOWN_CODE = {JINA_V3_CODE: "custom_st.Transformer"}
"""A module of a checkpoint's own that is sentence-transformers' Transformer, but for the choice of an adapter, which
export makes too; by the class of the model in ``auto_map``."""

REMEDY = f"Only text embedders are exported: give one whose {MODULES} lists a Pooling module"


def require_embedder(checkpoint: CheckpointDescription) -> None:
    """Check that a checkpoint is a text embedder.

    The modules decide. Without a Pooling among them, the class that saved the checkpoint decides.

    Raises:
        ExportError: it is something else; the message names it and the file that states it.
        SourceError: a file cannot be read.
    """
    _refuse_modules(checkpoint, [module.type for module in checkpoint.modules])
    task = checkpoint.transformer_settings().get("transformer_task")
    if task in _OF_TASK:
        _refuse(checkpoint.transformer.path, f"its transformer_task is {task!r}", _OF_TASK[task])
    config = checkpoint.config.object_if_there()
    if POOLING not in checkpoint.kinds:
        _refuse_other_models(checkpoint, config.get("architectures"))
    if "quantization_config" in config:
        found = f"{checkpoint.config.path} has a quantization_config"
        raise ExportError(f"{found}: its weights are packed integers. Give the checkpoint before it was quantised")


def _refuse_modules(checkpoint: CheckpointDescription, modules: list[str]) -> None:
    path = checkpoint.folder / MODULES
    for module in modules:
        kind = COLBERT if module.startswith("pylate.") else _OF_MODULE.get(module.rsplit(".", 1)[-1])
        if kind:
            _refuse(path, f"it lists {module}", kind)
    auto_map = checkpoint.config.object_if_there().get("auto_map") or {}
    known = _KNOWN_CODE.get(str(auto_map.get("AutoModel")), "sentence_transformers.")
    own = [module for module in modules if not module.startswith(("sentence_transformers.", known))]
    if own:
        found = f"{path} lists {', '.join(own)}, which is code that comes with the checkpoint"
        raise ExportError(f"{found}: that is never run, so neither exporter can make this model")


def _refuse_other_models(checkpoint: CheckpointDescription, architectures: object) -> None:
    model_type = checkpoint.sentence_transformers.object_if_there().get("model_type")
    if model_type in _OF_MODEL_TYPE:
        _refuse(checkpoint.sentence_transformers.path, f"its model_type is {model_type!r}", _OF_MODEL_TYPE[model_type])
    for architecture in architectures if isinstance(architectures, list) else []:
        name = str(architecture)
        ends = [kind for ending, kind in _OF_ARCHITECTURE.items() if name.endswith(ending)]
        if ends or "For" in name:
            kind = ends[0] if ends else "a model for another task"
            _refuse(checkpoint.config.path, f"its architecture is {name}, and no {MODULES} has a Pooling", kind)


def _refuse(path: Path, found: str, kind: str) -> None:
    raise ExportError(f"{path} ({found}) is that of {kind}. {REMEDY}")

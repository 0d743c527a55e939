"""Choose the output of a sparse encoder: the head over the vocabulary, the pooling, and the table of queries."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast, get_args

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint.description import (
    MLM_TRANSFORMER,
    SPARSE_STATIC,
    SPLADE_POOLING,
    TRANSFORMER,
    read_json_file,
)
from embed_plugin.export.checkpoint.files import MODULES, TOKENIZER, TOKENIZER_CONFIG, WEIGHTS
from embed_plugin.export.checkpoint.kinds.mlm_head import read_mlm_head
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from embed_plugin.export.checkpoint.token_limit import MOST_STATIC_TOKENS
from embed_plugin.export.outputs.sparse import SparseActivation, SparseOutput, SparsePooling

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription, JsonFile, Module

TABLE = "weight"


def read_sparse_output(checkpoint: CheckpointDescription) -> SparseOutput:
    """Read head, pooling and table; a checkpoint without modules takes the largest, as sentence-transformers does.

    Raises:
        ExportError: it has a step that the graph lacks, or a tensor is missing or left over.
        SourceError: a file of a step is missing or damaged.
    """
    strategy, activation = _read_pooling(checkpoint)
    table = _query_module(checkpoint)
    return SparseOutput(
        head=read_mlm_head(checkpoint),
        strategy=strategy,
        activation=activation,
        max_active=_max_active(checkpoint.sentence_transformers),
        query_weights=None if table is None else _read_table(checkpoint, table),
        query_max_tokens=None if table is None else _query_limit(checkpoint, table),
    )


def _read_pooling(checkpoint: CheckpointDescription) -> tuple[SparsePooling, SparseActivation]:
    """The pooling and the activation that a SpladePooling states; without modules those of SPLADE v2."""
    if not checkpoint.modules:
        return "max", "relu"
    if checkpoint.kinds not in ([TRANSFORMER, SPLADE_POOLING], [MLM_TRANSFORMER, SPLADE_POOLING]):
        listed = f"{checkpoint.folder / MODULES} lists {', '.join(checkpoint.kinds)}"
        raise ExportError(f"{listed}; expected a {TRANSFORMER} or {MLM_TRANSFORMER}, and a {SPLADE_POOLING}")
    settings = cast("JsonFile", checkpoint.modules[1].settings)
    config = settings.object()
    for name, choices in (("pooling_strategy", SparsePooling), ("activation_function", SparseActivation)):
        if config.get(name) not in get_args(choices):
            found = f"{settings.path} has {name} {config.get(name)!r}"
            raise ExportError(
                f"{found}, expected {' or '.join(get_args(choices))}: write there what it was trained with"
            )
    return config["pooling_strategy"], config["activation_function"]


def _max_active(file: JsonFile) -> int | None:
    """The most words of a vector that the checkpoint states; None: it states none."""
    value = file.object_if_there().get("max_active_dims")
    if value is not None and (type(value) is not int or value < 1):
        raise ExportError(f"{file.path} has max_active_dims {value!r}, expected a whole number of at least 1")
    return value


def _query_module(checkpoint: CheckpointDescription) -> Module | None:
    """The table of weights for queries; None: queries are encoded as documents."""
    if not checkpoint.query_modules:
        return None
    kinds = [module.kind for module in checkpoint.query_modules]
    if kinds == [SPARSE_STATIC]:
        return checkpoint.query_modules[0]
    if checkpoint.query_modules == checkpoint.modules:
        return None
    found = f"{checkpoint.folder / MODULES} has a router with {', '.join(kinds)} for queries"
    raise ExportError(f"{found}; the only encoder beside that of documents can be a {SPARSE_STATIC}")


def _read_table(checkpoint: CheckpointDescription, module: Module) -> npt.NDArray[np.float32]:
    """The weight of each token in a query, which may not be below 0: a vector's values are above 0."""
    folder = checkpoint.folder / module.path
    settings = module.settings.object_if_there() if module.settings else {}
    if settings.get("path") is not None:
        found = f"{folder} has its weights in {settings['path']!r} (path)"
        raise ExportError(f"{found}: save it with sentence-transformers, which writes {WEIGHTS} beside its config.json")
    path = folder / WEIGHTS
    names = tensor_names(path)
    if names != [TABLE]:
        raise SourceError(f"{path} holds {', '.join(names) or 'nothing'}, expected {TABLE}: fetch the checkpoint again")
    table = read_tensor(path, TABLE)
    if table.ndim != 1 or (table < 0).any():
        found = f"{path} has the shape {table.shape}, and {int((table < 0).sum())} weights below 0"
        raise ExportError(f"{found}; expected one weight of at least 0 for each token")
    _require_same_tokens(checkpoint, module)
    return table


def _query_limit(checkpoint: CheckpointDescription, module: Module) -> int:
    """The token limit of queries, which have no special tokens."""
    file = read_json_file(checkpoint.folder / module.path / TOKENIZER_CONFIG)
    limit = file.object_if_there().get("model_max_length")
    return MOST_STATIC_TOKENS if limit is None else int(min(limit, MOST_STATIC_TOKENS))


def _require_same_tokens(checkpoint: CheckpointDescription, module: Module) -> None:
    """Refuse queries whose tokenizer is not that of the documents, but for special tokens and limits."""
    path = checkpoint.folder / module.path / TOKENIZER
    if not path.is_file():
        return  # sentence-transformers takes that of the documents
    query, document = (_compared(each) for each in (path, checkpoint.encoder / TOKENIZER))
    if query != document:
        found = f"{path} makes other tokens than {checkpoint.encoder / TOKENIZER}"
        raise ExportError(f"{found}: their weights would be those of other words. Save both with one tokenizer")


def _compared(path: Path) -> Mapping[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8-sig"))
    return {name: content.get(name) for name in ("model", "normalizer", "pre_tokenizer", "added_tokens")}

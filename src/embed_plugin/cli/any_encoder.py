"""Load a model folder with the class of its kind, for commands that take several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

import embed_plugin
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from embed_plugin import Encoder, LateInteractionEncoder, Reranker, SparseEncoder

AnyEncoder: TypeAlias = "Encoder | SparseEncoder | LateInteractionEncoder"
"""What gives something for each text."""

SecondStage: TypeAlias = "Reranker | LateInteractionEncoder"
"""What ranks anew the texts that were found."""


def kinds_of(folder: Path) -> Sequence[str]:
    """Return the kinds of results that a model folder gives.

    Raises:
        ModelFolderError: it is no model folder.
    """
    from embed_plugin.model.cache import find_model_folder  # noqa: PLC0415 - loads numpy

    return embed_plugin.read_model_folder(find_model_folder(folder)).kinds


def load_any(folder: Path, *, dimension: int | None = None) -> AnyEncoder:
    """Load a folder as an embedding model if it is one, else as what it is.

    Args:
        folder: The folder, or the hub id of a prepared model.
        dimension: Length of an embedding model's vectors; None: its own.

    Raises:
        ModelFolderError: the folder is missing or damaged, or of another kind, such as a reranker.
        InvalidInputError: a dimension of what is no embedding model, or that its vectors cannot have.
    """
    kinds = kinds_of(folder)
    if "embedding" in kinds or not {"sparse", "late-interaction"} & set(kinds):
        return embed_plugin.Encoder.load(folder, dimension=dimension)
    if dimension is not None:
        raise InvalidInputError(f"{folder} is no embedding model, so its vectors are not cut: leave --dimension out")
    is_sparse = "sparse" in kinds
    return embed_plugin.SparseEncoder.load(folder) if is_sparse else embed_plugin.LateInteractionEncoder.load(folder)


def load_second_stage(folder: Path) -> SecondStage:
    """Load a model folder that ranks what was found: a late-interaction model if it is one, else a reranker.

    Raises:
        ModelFolderError: it is missing or damaged, or neither.
    """
    if "late-interaction" in kinds_of(folder):
        return embed_plugin.LateInteractionEncoder.load(folder)
    return embed_plugin.Reranker.load(folder)

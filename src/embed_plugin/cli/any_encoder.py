"""Load a model folder with the class of its kind, for commands that take several kinds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import embed_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin import Encoder, SparseEncoder


def load_any(folder: Path) -> Encoder | SparseEncoder:
    """Load an embedding model or a sparse encoder.

    Raises:
        ModelFolderError: the folder is missing or damaged, or of another kind.
    """
    from embed_plugin.model.cache import find_model_folder  # noqa: PLC0415 - loads numpy

    kinds = embed_plugin.read_model_folder(find_model_folder(folder)).kinds
    if "sparse" in kinds and "embedding" not in kinds:
        return embed_plugin.SparseEncoder.load(folder)
    return embed_plugin.Encoder.load(folder)

"""Load the model folders of a service: a folder once, as a model of each kind that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from embed_plugin.encode import Encoder, LateInteractionEncoder, Reranker, SparseEncoder
from embed_plugin.errors import InvalidInputError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.model.folder import read_model_folder

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from embed_plugin.encode import EncoderSettings
    from embed_plugin.encode.text_model import TextModel
    from embed_plugin.types import Kind

Class: TypeAlias = "type[Encoder | Reranker | SparseEncoder | LateInteractionEncoder]"

SERVED: dict[Kind, Class] = {
    "embedding": Encoder,
    "reranker": Reranker,
    "sparse": SparseEncoder,
    "late-interaction": LateInteractionEncoder,
}
"""The class of each kind; every kind has a route."""


def load_models(folders: Sequence[str | os.PathLike[str]], settings: EncoderSettings) -> list[TextModel]:
    """Load model folders, or hub ids that have been prepared.

    Args:
        folders: The folders; one of several kinds becomes a model for each, and all of them share what is loaded.
        settings: How to run.

    Raises:
        ModelFolderError: a folder is missing or damaged.
        InvalidInputError: a folder is given twice.
    """
    found = [find_model_folder(folder).absolute() for folder in folders]
    for folder in found:
        if found.count(folder) > 1:
            raise InvalidInputError(f"{folder} is given {found.count(folder)} times: give each model folder once")
    loaded: list[TextModel] = []
    for folder in found:
        served = [SERVED[kind] for kind in read_model_folder(folder).kinds]
        first = served[0].load(folder, settings)
        loaded += [first, *(each.of_loaded(first) for each in served[1:])]
    return loaded

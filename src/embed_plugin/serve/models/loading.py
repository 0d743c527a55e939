"""Load the model folders of a service, each with the classes of the kinds that it has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.encode import Encoder, Reranker, SparseEncoder
from embed_plugin.errors import InvalidInputError, ModelFolderError
from embed_plugin.model.cache import find_model_folder
from embed_plugin.model.folder import read_model_folder
from embed_plugin.model.kinds import KINDS

if TYPE_CHECKING:
    import os
    from collections.abc import Sequence

    from embed_plugin.encode import EncoderSettings
    from embed_plugin.encode.text_model import TextModel
    from embed_plugin.types import Kind

SERVED: dict[Kind, type[Encoder | Reranker | SparseEncoder]] = {
    "embedding": Encoder,
    "reranker": Reranker,
    "sparse": SparseEncoder,
}
"""The class of each kind that has a route."""


def load_models(folders: Sequence[str | os.PathLike[str]], settings: EncoderSettings) -> list[TextModel]:
    """Load model folders, or hub ids that have been prepared.

    Args:
        folders: The folders; one of several kinds is loaded once for each that has a route.
        settings: How to run.

    Raises:
        ModelFolderError: a folder is missing, damaged, or of no kind that is served.
        InvalidInputError: a folder is given twice.
    """
    found = [find_model_folder(folder).absolute() for folder in folders]
    for folder in found:
        if found.count(folder) > 1:
            raise InvalidInputError(f"{folder} is given {found.count(folder)} times: give each model folder once")
    loaded: list[TextModel] = []
    for folder in found:
        kinds = read_model_folder(folder).kinds
        served = [SERVED[kind] for kind in kinds if kind in SERVED]
        if not served:
            called = " and ".join(KINDS[kind].called for kind in kinds)
            raise ModelFolderError(
                f"{folder} is {called}; expected {' or '.join(KINDS[each].called for each in SERVED)}"
            )
        loaded += [each.load(folder, settings) for each in served]
    return loaded

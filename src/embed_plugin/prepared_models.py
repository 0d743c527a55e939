"""Where a model that was exported from a hub id is kept, so that its id is enough to load it."""

from __future__ import annotations

import os
import re
from pathlib import Path

from embed_plugin.errors import ModelFolderError

MODELS_VARIABLE = "EMBED_PLUGIN_MODELS"
"""The environment variable that names the folder of prepared models; ``~/.cache/embed-plugin/models`` without it."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def is_hub_id(source: str) -> bool:
    """Whether this may be a hub id, such as ``BAAI/bge-small-en-v1.5`` or one with ``@revision``."""
    return _HUB_ID.fullmatch(source) is not None


def prepared_folder(hub_id: str) -> Path:
    """The model folder of a hub id, which ``embed-plugin export HUB_ID`` makes.

    Raises:
        ModelFolderError: this user has no home, and ``EMBED_PLUGIN_MODELS`` names no folder.
    """
    named = os.environ.get(MODELS_VARIABLE)
    try:
        models = Path(named) if named else Path.home() / ".cache" / "embed-plugin" / "models"
    except RuntimeError:  # no HOME, and no entry in passwd: a container that runs as a bare user id
        raise ModelFolderError(
            f"{hub_id} has no folder here, and this user no home where prepared models could be: "
            f"set {MODELS_VARIABLE} to their folder, or name the model's own folder"
        ) from None
    return models / hub_id.replace("/", "--")


def find_model_folder(model: str | os.PathLike[str]) -> Path:
    """The folder itself; where there is none and it is the id of a prepared model, that model's folder.

    Raises:
        ModelFolderError: there is none, and this user has no place for prepared models.
    """
    folder, name = Path(model), Path(model).as_posix()
    if not folder.exists() and is_hub_id(name) and prepared_folder(name).is_dir():
        return prepared_folder(name)
    return folder

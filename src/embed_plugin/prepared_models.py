"""Where a model that was exported from a hub id is kept, so that its id is enough to load it."""

from __future__ import annotations

import os
import re
from pathlib import Path

MODELS_VARIABLE = "EMBED_PLUGIN_MODELS"
"""The environment variable that names the folder of prepared models; ``~/.cache/embed-plugin/models`` without it."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def is_hub_id(source: str) -> bool:
    """Whether this may be a hub id, such as ``BAAI/bge-small-en-v1.5`` or one with ``@revision``."""
    return _HUB_ID.fullmatch(source) is not None


def prepared_folder(hub_id: str) -> Path:
    """The model folder of a hub id, which ``embed-plugin export HUB_ID`` makes."""
    named = os.environ.get(MODELS_VARIABLE)
    models = Path(named) if named else Path.home() / ".cache" / "embed-plugin" / "models"
    return models / hub_id.replace("/", "--")


def find_model_folder(model: str | os.PathLike[str]) -> Path:
    """The folder itself; where there is none and it is the id of a prepared model, that model's folder."""
    folder, name = Path(model), Path(model).as_posix()
    if not folder.exists() and is_hub_id(name) and prepared_folder(name).is_dir():
        return prepared_folder(name)
    return folder

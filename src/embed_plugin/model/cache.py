"""The cache of models exported from a hub id, so that the id is enough to load one."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.errors import ModelFolderError
from embed_plugin.model.folder import MANIFEST, read_manifest
from embed_plugin.model.matryoshka import gives_space

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.model.spec import ModelSpec

CHECKPOINT_CONFIG = "config.json"
"""A checkpoint has this file, a model folder does not."""

MODELS_VARIABLE = "EMBED_PLUGIN_MODELS"
"""The environment variable that names the folder of prepared models; ``~/.cache/embed-plugin/models`` without it."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+(@[\w./-]+)?")


def is_hub_id(source: str) -> bool:
    """Return True if this may be a hub id: ``BAAI/bge-small-en-v1.5``, or the same with ``@revision``."""
    return _HUB_ID.fullmatch(source) is not None


def prepared_folder(hub_id: str) -> Path:
    """Return the path of a hub id's model folder, which ``embed-plugin export HUB_ID`` makes.

    Raises:
        ModelFolderError: this user has no home folder, and ``EMBED_PLUGIN_MODELS`` is not set.
    """
    models = folder_of_prepared()
    if models is None:  # no HOME, and no entry in passwd: a container that runs as a bare user id
        raise ModelFolderError(
            f"{hub_id} has no folder here, and this user no home where prepared models could be: "
            f"set {MODELS_VARIABLE} to their folder, or name the model's own folder"
        )
    return models / hub_id.replace("/", "--")


def folder_of_prepared() -> Path | None:
    """Return the folder of prepared models, which may not exist; None if this user has no home and none is named."""
    named = os.environ.get(MODELS_VARIABLE)
    try:
        return Path(named) if named else Path.home() / ".cache" / "embed-plugin" / "models"
    except RuntimeError:
        return None


def prepared_models() -> Iterator[tuple[Path, ModelSpec]]:
    """The folder and the facts of each prepared model; those of another release, or damaged, are passed over."""
    models = folder_of_prepared()
    for manifest in sorted(models.glob(f"*/{MANIFEST}")) if models else ():
        with suppress(ModelFolderError):
            yield manifest.parent, read_manifest(manifest)


def name_of_prepared(fingerprint: str, dimension: int) -> str | None:
    """Return the name of the prepared model that gives the vectors of a space; None if no prepared one does.

    Args:
        fingerprint: Of the space.
        dimension: Of its vectors; they may be cut.
    """
    for _, spec in prepared_models():
        if gives_space(spec, fingerprint, dimension):
            return spec.source if fingerprint == spec.fingerprint else f"{spec.source}, cut to {dimension}"
    return None


def find_model_folder(model: str | os.PathLike[str]) -> Path:
    """Return the folder itself, or the folder of a prepared model if ``model`` is its hub id.

    Raises:
        ModelFolderError: it is neither; the message names what it is, if that is known, and the command that helps.
    """
    folder, name = Path(model), Path(model).as_posix()
    if name.startswith("~") and not folder.exists():
        folder = _at_home(folder)
    if folder.is_dir():
        _refuse_checkpoint(folder)
        return folder
    if not folder.exists() and is_hub_id(name) and prepared_folder(name).is_dir():
        return prepared_folder(name)
    named = re.sub(r"^(https?:)/(?!/)", r"\1//", os.fspath(model))  # a Path keeps one slash of two
    raise ModelFolderError(f"{named} {_advice(named, folder)}")


def _at_home(folder: Path) -> Path:
    try:
        return folder.expanduser()
    except RuntimeError as error:
        raise ModelFolderError(f"{folder} is not a folder, and {error}: give the whole path") from error


def _refuse_checkpoint(folder: Path) -> None:
    if (folder / CHECKPOINT_CONFIG).is_file() and not (folder / MANIFEST).is_file():
        command = f"embed-plugin export {folder} --out DIR"
        raise ModelFolderError(f"{folder} is a checkpoint and not a model folder: run  {command}  and give DIR")


def _advice(model: str, folder: Path) -> str:
    """Return the second half of an error message: what a model that is no folder is, and what to do."""
    if model.startswith(("http://", "https://")):
        return (
            "is a URL, expected a model folder: make an EmbeddingClient of it (embed_plugin.client) and give that in "
            "the encoder's place, to an adapter as encoder=...; of the commands, ingest, search, verify, migrate and "
            "cost take the URL of a service"
        )
    if folder.exists():
        return f"is a file, expected a model folder: give the folder that it is in, {folder.parent}"
    if model.startswith("wheel:"):
        return f"is a checkpoint, expected a model folder: run  embed-plugin export {model} --out DIR  and give DIR"
    name = Path(model).as_posix()
    if is_hub_id(name) and not model.startswith("."):
        return (
            f"is not a folder, and no model of this id was prepared in {prepared_folder(name).parent}: run  "
            f"embed-plugin export {name}  if it is a hub id, or  embed-plugin export SOURCE --out {name}  to make it"
        )
    return f"is not a folder; expected a model folder: make it with  embed-plugin export SOURCE --out {model}"

"""Find the model of a collection by its fingerprint, among named folders and prepared models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, ModelFolderError
from embed_plugin.model.cache import MODELS_VARIABLE, find_model_folder, folder_of_prepared
from embed_plugin.model.folder import MANIFEST, read_manifest
from embed_plugin.model.matryoshka import cut_spec

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.model.spec import ModelSpec


@dataclass(frozen=True)
class FoundModel:
    """A model folder whose vectors a collection holds.

    Attributes:
        folder: The folder.
        source: The checkpoint that it was made of.
        dimension: The length of the vectors, which may be shorter than the model's own.
    """

    folder: Path
    source: str
    dimension: int


def find_model(identity: CollectionIdentity, named: Sequence[str], *, collection: str) -> FoundModel:
    """Find the model of a collection; only manifests are read.

    Args:
        identity: The collection's.
        named: Model folders, or hub ids of prepared models, that are looked at first.
        collection: The collection's name, for messages.

    Raises:
        ModelFolderError: none is of the collection's fingerprint, or a named folder is none.
    """
    for folder in _candidates(named):
        try:
            spec = read_manifest(folder / MANIFEST)
        except ModelFolderError:
            continue  # loading a named one says why; among prepared ones a damaged one is none
        if _gives(spec, identity):
            return FoundModel(folder, spec.source, identity.dimension)
    raise ModelFolderError(
        f"no model of collection {collection!r} (fingerprint {identity.fingerprint}, dimension {identity.dimension}) "
        f"{_looked_through(named)}. Prepare the model that the collection was made with by  embed-plugin export HUB_ID"
        "  or name its folder with --model when the server is started"
    )


def _candidates(named: Sequence[str]) -> Iterator[Path]:
    for name in named:
        folder = find_model_folder(name)
        read_manifest(folder / MANIFEST)  # raises for a named folder that cannot be used
        yield folder
    prepared = folder_of_prepared()
    if prepared is not None and prepared.is_dir():
        yield from sorted(path for path in prepared.iterdir() if (path / MANIFEST).is_file())


def _gives(spec: ModelSpec, identity: CollectionIdentity) -> bool:
    """Return whether the model's vectors, cut to the collection's length, are of its space."""
    if "embedding" not in spec.kinds:
        return False
    try:
        return cut_spec(spec, identity.dimension).fingerprint == identity.fingerprint
    except InvalidInputError:
        return False


def _looked_through(named: Sequence[str]) -> str:
    prepared = folder_of_prepared()
    places = [*named, f"the prepared models in {prepared}" if prepared else f"prepared models ({MODELS_VARIABLE})"]
    return f"is among {' and '.join(places)}"

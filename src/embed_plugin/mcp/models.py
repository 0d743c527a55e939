"""Find the model of a collection by its fingerprint, among named folders and prepared models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import ModelFolderError
from embed_plugin.model.cache import MODELS_VARIABLE, find_model_folder, folder_of_prepared, prepared_models
from embed_plugin.model.folder import MANIFEST, read_manifest
from embed_plugin.model.matryoshka import gives_space

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
    for folder, spec in _candidates(named):
        if "embedding" in spec.kinds and gives_space(spec, identity.fingerprint, identity.dimension):
            return FoundModel(folder, spec.source, identity.dimension)
    raise ModelFolderError(
        f"no model of collection {collection!r} (fingerprint {identity.fingerprint}, dimension {identity.dimension}) "
        f"{_looked_through(named)}. Prepare the model that the collection was made with by  embed-plugin export HUB_ID"
        "  or name its folder with --model when the server is started"
    )


def _candidates(named: Sequence[str]) -> Iterator[tuple[Path, ModelSpec]]:
    for name in named:
        folder = find_model_folder(name)
        yield folder, read_manifest(folder / MANIFEST)  # raises for a named folder that cannot be used
    yield from prepared_models()


def _looked_through(named: Sequence[str]) -> str:
    prepared = folder_of_prepared()
    places = [*named, f"the prepared models in {prepared}" if prepared else f"prepared models ({MODELS_VARIABLE})"]
    return f"is among {' and '.join(places)}"

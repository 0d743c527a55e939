"""The kinds of model: what each gives for a text, and the class that loads it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import ModelFolderError

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Kind


@dataclass(frozen=True)
class KindOfModel:
    """One kind.

    Attributes:
        called: Its name in a sentence.
        output: Name of the graph's output.
        loaded_by: The class that loads it, at the root of this package.
    """

    called: str
    output: str
    loaded_by: str


KINDS: dict[Kind, KindOfModel] = {
    "embedding": KindOfModel("an embedding model", "embedding", "Encoder"),
    "reranker": KindOfModel("a reranker", "score", "Reranker"),
    "sparse": KindOfModel("a sparse encoder", "token_weights", "SparseEncoder"),
    "late-interaction": KindOfModel("a late-interaction model", "token_vectors", "LateInteractionEncoder"),
}


def require_kind(spec: ModelSpec, kind: Kind, folder: Path) -> None:
    """Check that a model gives results of a kind.

    Raises:
        ModelFolderError: it is of another kind; the message names the class that loads it.
    """
    if kind in spec.kinds:
        return
    found = " and ".join(KINDS[each].called for each in spec.kinds)
    use = " or ".join(f"embed_plugin.{KINDS[each].loaded_by}" for each in spec.kinds)
    raise ModelFolderError(f"{folder} is {found}, expected {KINDS[kind].called}: load it with {use}")

"""The models that a command's options name: a folder of several kinds that several options name is loaded once."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import embed_plugin
from embed_plugin.cli.options.model import is_url, load_encoder
from embed_plugin.errors import EmbedPluginError

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.client import EmbeddingClient
    from embed_plugin.ingest import CollectionSettings

BM25 = "bm25"
"""The sparse vectors that no model makes. A folder of that name is given as ``./bm25``."""


@dataclass(frozen=True)
class ModelFolders:
    """The models of a collection's vectors. Those of one folder share its runs: a text is run once for all of them.

    Attributes:
        model: Of the dense vectors: a folder, a prepared hub id, or the URL of a service.
        sparse: ``bm25``, or the folder of the sparse vectors' model; None: none is given.
        late: The folder of the token vectors' model; None: none is given.
    """

    model: str
    sparse: str | None = None
    late: Path | None = None

    def encoder(self) -> embed_plugin.Encoder | EmbeddingClient:
        """Load the encoder of the dense vectors; :func:`.load_encoder`.

        Raises:
            ModelFolderError: the folder cannot be used.
            InvalidInputError: a URL cannot be used.
            MissingExtraError: a URL, and the extra ``client`` is not installed.
        """
        combined = self._combined_of("model")
        return load_encoder(self.model) if combined is None else combined.encoder

    def settings(self, others: dict[str, object] | None = None) -> CollectionSettings:
        """Load the models of the other vectors, as settings that a collection is opened with.

        Args:
            others: Other settings, by name.

        Raises:
            ModelFolderError: a folder cannot be used.
            InvalidInputError: as :class:`CollectionSettings`.
        """
        from embed_plugin.ingest import CollectionSettings  # noqa: PLC0415 - needs the extra

        loaded: dict[str, object] = {} if self.sparse is None else {"sparse": self._load_sparse(self.sparse)}
        loaded |= {} if self.late is None else {"late": self._load_late(self.late)}
        return CollectionSettings(**(others or {}) | loaded)  # type: ignore[arg-type]

    def _load_sparse(self, name: str) -> embed_plugin.SparseEncoder | str:
        if name == BM25:
            return name
        combined = self._combined_of("sparse")
        return embed_plugin.SparseEncoder.load(name) if combined is None else combined.sparse

    def _load_late(self, folder: Path) -> embed_plugin.LateInteractionEncoder:
        combined = self._combined_of("late")
        return embed_plugin.LateInteractionEncoder.load(folder) if combined is None else combined.late

    def _combined_of(self, option: str) -> embed_plugin.CombinedEncoder | None:
        options, combined = self._combined
        return combined if option in options else None

    @cached_property
    def _combined(self) -> tuple[list[str], embed_plugin.CombinedEncoder | None]:
        """The options that name one model of several kinds, and that model; none where there are not two such."""
        named = {"model": self.model, "sparse": self.sparse, "late": self.late and str(self.late)}
        given = {option: name for option, name in named.items() if name and name != BM25 and not is_url(name)}
        if len(given) > 1:
            identities = {option: _identity_of_several(name) for option, name in given.items()}
            for fingerprint, times in Counter(identities.values()).items():
                if fingerprint is not None and times > 1:
                    options = [option for option in given if identities[option] == fingerprint]
                    return options, embed_plugin.CombinedEncoder.load(given[options[0]])
        return [], None


def _identity_of_several(name: str) -> str | None:
    """The fingerprint of a folder that gives several kinds of result; None of any other, whose loading says why."""
    from embed_plugin.model.cache import find_model_folder  # noqa: PLC0415 - loads numpy
    from embed_plugin.model.folder import MANIFEST, read_manifest  # noqa: PLC0415 - the same

    try:
        spec = read_manifest(find_model_folder(name) / MANIFEST)
    except EmbedPluginError:
        return None
    return spec.fingerprint if len(spec.kinds) > 1 else None

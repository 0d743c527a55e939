"""The description of a collection: its vectors, its metadata, and whether an encoder's vectors may go there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from embed_plugin.collection_identity import BM25, SCHEMA, CollectionIdentity, identity_of, written_on
from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.stores.bm25_settings import bm25_settings_of
from embed_plugin.ingest.stores.collection_settings import Datatype
from embed_plugin.ingest.stores.payload_layout import LAYOUTS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.protocols import TextEncoder

_DISTANCE = "cosine"
_BM25_OPTIONS = {
    "language": "--sparse-language",
    "k": "--bm25-k",
    "b": "--bm25-b",
    "mean_words": "--bm25-mean-words",
}


class VectorShape(NamedTuple):
    """The shape of a collection's dense vectors of one name.

    Attributes:
        dimension: Their length.
        distance: ``cosine``, ...
        datatype: Of a component.
        several: Whether a point has several of them, a multivector.
    """

    dimension: int
    distance: str
    datatype: str = "float32"
    several: bool = False


class Mismatch(NamedTuple):
    """A fact by which an encoder's vectors do not fit a collection.

    Attributes:
        found: The fact.
        expected: The one that fits.
        migration: The options of ``embed-plugin migrate`` that change it; empty if none does.
    """

    found: str
    expected: str
    migration: str = ""


@dataclass(frozen=True)
class Description:
    """The description of a collection.

    Attributes:
        vectors: Its dense vectors by name; the name of the one without is empty.
        metadata: Of the collection.
        indexing_threshold: Size in kB above which segments are indexed; None if there is no index.
        custom_shards: Whether every request must name a shard.
    """

    vectors: Mapping[str, VectorShape]
    metadata: Mapping[str, Any]
    indexing_threshold: int | None = None
    custom_shards: bool = False

    @property
    def identity(self) -> CollectionIdentity | None:
        """Its identity; None if there is none, or one of another schema or layout."""
        written = self._written
        if written is None or self.schema != SCHEMA or written.get("layout", "plain") not in LAYOUTS:
            return None
        return identity_of(written)

    @property
    def schema(self) -> int | None:
        """The schema of its identity; None if there is none."""
        return None if self._written is None else int(self._written.get("schema", 0))

    @property
    def _written(self) -> Mapping[str, Any] | None:
        return written_on(self.metadata)

    def mismatch(self, encoder: TextEncoder, settings: CollectionSettings) -> Mismatch | None:
        """Return the first fact by which this encoder's vectors do not fit the collection; None if they fit."""
        identity = self.identity
        vector = self.vectors.get(identity.vector if identity else "")
        if vector is None:
            expected = "one unnamed vector per point, or a collection taken over with embed-plugin adopt"
            return Mismatch("named or sparse vectors", expected)
        dimension, model = encoder.dimension, "--model DIR" if identity else ""
        found = [
            (not vector.several, Mismatch("several vectors per point (a multivector)", "one vector per point")),
            (vector.datatype in get_args(Datatype), Mismatch(f"vectors of {vector.datatype}", "float32 or float16")),
            (not self.custom_shards, Mismatch("custom sharding", "Qdrant's own sharding")),
            (
                vector.dimension == dimension,
                Mismatch(f"vectors of dimension {vector.dimension}", f"the model's {dimension}", model),
            ),
            self._distance_found(vector.distance, settings),
        ]
        if identity is not None:
            found += _identity_found(identity, encoder, settings)
        elif self.schema is not None:
            found.append((False, Mismatch(f"schema {self.schema} of embed-plugin's payload", f"schema {SCHEMA}")))
        return next((mismatch for fits, mismatch in found if not fits), None)

    def _distance_found(self, distance: str, settings: CollectionSettings) -> tuple[bool, Mismatch]:
        ours = self.identity is not None
        expected = settings.distance or (distance if ours else _DISTANCE)
        return distance == expected, Mismatch(f"the distance {distance}", expected)


def _identity_found(
    identity: CollectionIdentity, encoder: TextEncoder, settings: CollectionSettings
) -> list[tuple[bool, Mismatch]]:
    fingerprint, found = encoder.fingerprint, identity.fingerprint
    layout = settings.layout or identity.layout
    other_space = Mismatch(f"vectors of the space {found}", f"the model's space {fingerprint}", "--model DIR")
    return [
        (found == fingerprint, other_space),
        (identity.layout == layout, Mismatch(f"the payload layout {identity.layout}", str(layout))),
        _context_found(identity, settings),
        *_sparse_found(identity, settings),
        *_late_found(identity, settings),
    ]


def _context_found(identity: CollectionIdentity, settings: CollectionSettings) -> tuple[bool, Mismatch]:
    there, given = identity.context or "none", settings.context
    return given in {None, there}, Mismatch(f"texts with the context {there!r} in front", f"the context {given!r}")


def _sparse_found(identity: CollectionIdentity, settings: CollectionSettings) -> list[tuple[bool, Mismatch]]:
    given = settings.sparse_name
    if given not in {None, identity.sparse}:
        option = f"--sparse {BM25 if given == BM25 else 'DIR'}"
        return [(False, Mismatch(sparse_vectors_of(identity.sparse), sparse_vectors_of(given), option))]
    if identity.sparse != BM25:
        return []
    try:
        made = bm25_settings_of(identity.sparse_settings)
    except InvalidInputError as error:
        later = f"sparse vectors of another release of embed-plugin ({error})"
        return [(False, Mismatch(later, "those of this release"))]
    return [
        (
            getattr(made, name) == given,
            Mismatch(
                f"BM25 with the {_named(name)} {getattr(made, name)}",
                str(given),
                f"--sparse {BM25} {_BM25_OPTIONS[name]} {given}",
            ),
        )
        for name, given in settings.given_for_bm25().items()
    ]


def _late_found(identity: CollectionIdentity, settings: CollectionSettings) -> list[tuple[bool, Mismatch]]:
    late = settings.late
    if late is None or identity.late == late.fingerprint:
        return []
    return [(False, Mismatch(token_vectors_of(identity.late), token_vectors_of(late.fingerprint), "--late DIR"))]


def sparse_vectors_of(name: str | None) -> str:
    """The sparse vectors that an identity names, in a message."""
    if name is None:
        return "no sparse vectors"
    return "sparse vectors of bm25" if name == BM25 else f"sparse vectors of the model {name}"


def token_vectors_of(fingerprint: str | None) -> str:
    """The token vectors that an identity names, in a message."""
    return "no token vectors" if fingerprint is None else f"token vectors of the model {fingerprint}"


def _named(setting: str) -> str:
    return {"mean_words": "mean number of words"}.get(setting, setting)


def new_identity(encoder: TextEncoder, settings: CollectionSettings, *, namespace: str) -> CollectionIdentity:
    """The identity of a collection that is made for an encoder."""
    return CollectionIdentity(
        fingerprint=encoder.fingerprint,
        dimension=encoder.dimension,
        namespace=namespace,
        layout=settings.layout or "plain",
        sparse=settings.sparse_name,
        sparse_settings=settings.bm25().for_identity() if settings.sparse == BM25 else {},
        late=settings.late.fingerprint if settings.late else None,
        late_dimension=settings.late.dimension if settings.late else None,
        context=None if settings.context == "none" else settings.context,
    )

"""The vectors of a text beside the dense one: the weights of its words, and a vector for each token."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple, TypeVar

import numpy as np

from embed_plugin.collection_identity import BM25
from embed_plugin.errors import InvalidTextError, SpaceMismatchError, TargetError
from embed_plugin.ingest.stores.description import sparse_vectors_of, token_vectors_of
from embed_plugin.ingest.stores.qdrant.backend import (
    BM25_VECTOR,
    LEARNED_VECTOR,
    TOKENS_VECTOR,
    Ranking,
    other_vector_names,
)
from embed_plugin.ingest.stores.qdrant.bm25 import SparseVector, bm25_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.qdrant.backend import OtherVector
    from embed_plugin.types import SparseVector as ModelVector

T = TypeVar("T")

GIVE_MODELS = "Give the model: --sparse DIR for sparse vectors, --late DIR for token vectors"


class Refused(NamedTuple):
    """The reason why a model makes no vector of a text."""

    reason: str


class Representations:
    """Makes the vectors that a collection has beside the dense one, of documents and of queries.

    Args:
        identity: Of the collection; None for one of another program, which has none of ours.
        settings: The models that are given, which were checked to be the collection's.
    """

    def __init__(self, identity: CollectionIdentity | None, settings: CollectionSettings) -> None:
        self._identity = identity
        self._bm25 = bm25_of(identity)
        self._sparse = settings.sparse_model if identity and identity.sparse not in {None, BM25} else None
        self._late = settings.late if identity and identity.late else None
        self._names = other_vector_names(identity) if identity else {}

    @property
    def names(self) -> Mapping[str, str]:
        """The names of the vectors that the collection has, by their kind."""
        return self._names

    @property
    def unmade(self) -> tuple[str, ...]:
        """The kinds of vectors of the collection whose model was not given."""
        made = {BM25_VECTOR: self._bm25, LEARNED_VECTOR: self._sparse, TOKENS_VECTOR: self._late}
        return tuple(kind for kind in self._names if made[kind] is None)

    @property
    def unmade_vectors(self) -> str:
        """Those vectors in a message; empty if there are none."""
        named = {LEARNED_VECTOR: sparse_vectors_of(self._identity.sparse if self._identity else None)}
        named[TOKENS_VECTOR] = token_vectors_of(self._identity.late if self._identity else None)
        return " and ".join(named[kind] for kind in self.unmade)

    def of_documents(
        self, texts: Sequence[str], *, kinds: Collection[str] | None = None
    ) -> list[Mapping[str, OtherVector] | Refused] | None:
        """The vectors of each document by name, or why there are none; None if the collection has none.

        A text without tokens has no vector for them, because Qdrant has no empty multivector.

        Args:
            texts: The documents.
            kinds: The kinds of vectors to make; None for all.
        """
        if not self._names:
            return None
        columns = [[(kind, one) for one in column] for kind, column in self.columns(texts, kinds=kinds)]
        return [self._point(cells) for cells in zip(*columns, strict=True)]

    def rankings(self, text: str, collection_has: str) -> dict[str, Ranking]:
        """The queries of a text, by the kind of vector, one for each that there is a model for.

        Args:
            text: The query.
            collection_has: The begin of a message about what the collection has.

        Raises:
            SpaceMismatchError: the collection has other vectors than the dense one, and no model of them was given.
            TargetError: it has none.
        """
        if len(self.unmade) == len(self._names):
            if unmade := self.unmade_vectors:
                raise SpaceMismatchError(f"{collection_has} {unmade}, and no model of them was given. {GIVE_MODELS}")
            remedy = "Search without --hybrid, or add them with  embed-plugin migrate --sparse bm25"
            raise TargetError(f"{collection_has} no sparse vectors. {remedy}")
        found: dict[str, Ranking] = {}
        if self._bm25:
            found[BM25_VECTOR] = Ranking(self._bm25.query(text), self._names[BM25_VECTOR])
        if self._sparse:
            found[LEARNED_VECTOR] = Ranking(
                _listed(self._sparse.encode_queries([text])[0]), self._names[LEARNED_VECTOR]
            )
        if self._late:
            tokens = self._late.encode_queries([text])[0]
            found |= {TOKENS_VECTOR: Ranking(tokens, self._names[TOKENS_VECTOR])} if len(tokens) else {}
        return found

    def columns(
        self, texts: Sequence[str], *, kinds: Collection[str] | None = None
    ) -> Iterator[tuple[str, Sequence[OtherVector | Refused]]]:
        """The vectors of documents, for each kind whose model was given, of these kinds if some are named."""
        if (bm25 := self._bm25) and _is_wanted(BM25_VECTOR, kinds):
            yield BM25_VECTOR, [bm25.document(text) for text in texts]
        if self._sparse and _is_wanted(LEARNED_VECTOR, kinds):
            made = _each(self._sparse.encode_documents, texts)
            yield LEARNED_VECTOR, [one if isinstance(one, Refused) else _listed(one) for one in made]
        if self._late and _is_wanted(TOKENS_VECTOR, kinds):
            tokens = _each(self._late.encode_documents, texts)
            yield TOKENS_VECTOR, tokens

    def _point(self, cells: Sequence[tuple[str, OtherVector | Refused]]) -> Mapping[str, OtherVector] | Refused:
        """The vectors of one point, or the first reason why one of them cannot be stored."""
        found: dict[str, OtherVector] = {}
        for kind, cell in cells:
            if isinstance(cell, Refused):
                return Refused(f"the model of its {kind} vector refused it: {cell.reason}")
            if not np.isfinite(cell.values if isinstance(cell, SparseVector) else cell).all():
                return Refused(f"its {kind} vector has a component that is no finite number: check that model")
            if isinstance(cell, SparseVector) or len(cell):
                found[self._names[kind]] = cell
        return found


def _is_wanted(kind: str, kinds: Collection[str] | None) -> bool:
    return kinds is None or kind in kinds


def _each(encode: Callable[[list[str]], list[T]], texts: Sequence[str]) -> list[T | Refused]:
    """Encode texts; those that the model refuses have the reason instead."""
    rows = list(range(len(texts)))
    found: dict[int, T | Refused] = {}
    while rows:
        try:
            made = encode([texts[row] for row in rows])
        except InvalidTextError as error:
            found[rows.pop(error.index)] = Refused(error.problem)
        else:
            found |= dict(zip(rows, made, strict=True))
            break
    return [found[row] for row in range(len(texts))]


def _listed(vector: ModelVector) -> SparseVector:
    return SparseVector(vector.indices.tolist(), vector.values.tolist())


def likeness(stored: OtherVector | None, made: OtherVector | Refused) -> float:
    """The cosine of a stored vector and the one that its text has, or the mean of their tokens'; 0 if one lacks."""
    if isinstance(made, Refused):
        return 0.0
    if isinstance(made, SparseVector):
        return _cosine(stored, made) if isinstance(stored, SparseVector) else float(not made.indices)
    if not isinstance(stored, np.ndarray):
        return float(not len(made))
    return float((stored * made).sum(axis=1).mean()) if stored.shape == made.shape else 0.0


def _cosine(one: SparseVector, other: SparseVector) -> float:
    values = dict(zip(other.indices, other.values, strict=True))
    product = sum(value * values.get(index, 0.0) for index, value in zip(one.indices, one.values, strict=True))
    lengths = float(np.linalg.norm(one.values) * np.linalg.norm(other.values))
    return product / lengths if lengths else float(not one.indices and not other.indices)

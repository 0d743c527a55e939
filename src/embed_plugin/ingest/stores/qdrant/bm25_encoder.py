"""BM25 as a sparse encoder, for vector stores of frameworks that search what ingest stored.

This module loads nothing of the extra; an encoder does when it is made.
"""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, cast

import numpy as np

from embed_plugin.collection_identity import identity_of, written_on
from embed_plugin.errors import SpaceMismatchError, TargetError
from embed_plugin.extras import import_part
from embed_plugin.ingest.stores.bm25_settings import Bm25Settings, bm25_settings_of
from embed_plugin.texts import iterable_of_texts, list_of_texts, refuse_bad_texts
from embed_plugin.types import SparseVector

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import numpy.typing as npt

    from embed_plugin.collection_check import CollectionClient
    from embed_plugin.ingest.stores.qdrant.bm25 import Bm25
    from embed_plugin.ingest.stores.qdrant.bm25 import SparseVector as Weights


class Bm25Encoder:
    """A :class:`~embed_plugin.protocols.TextSparseEncoder` of BM25: the vectors that ``ingest --sparse bm25`` stores.

    The dot product of a document's and a query's vectors lacks the words' inverse document frequency, which Qdrant adds
    where the sparse vector has the modifier ``idf``, as in the collections that ingest makes.

    Attributes:
        settings: Language and parameters.

    Example:
        >>> encoder = Bm25Encoder.of_collection(client, "docs")  # doctest: +SKIP
        >>> encoder.encode_queries(["how do I stop a child process?"])  # doctest: +SKIP
    """

    def __init__(self, settings: Bm25Settings | None = None) -> None:
        """Load the stemmer.

        Args:
            settings: Language and parameters; None: English.

        Raises:
            MissingExtraError: a package of the extra ``ingest`` is not installed.
        """
        module = import_part("embed_plugin.ingest.stores.qdrant.bm25", extra="ingest")
        self.settings = settings or Bm25Settings()
        self._bm25: Bm25 = module.Bm25(self.settings)

    @classmethod
    def of_collection(cls, client: CollectionClient, collection: str) -> Bm25Encoder:
        """Return the BM25 that a collection's sparse vectors were made with, as ingest wrote it there.

        Args:
            client: A ``qdrant_client.QdrantClient``; its errors are raised as they are.
            collection: The collection's name.

        Raises:
            TargetError: there is no such collection.
            SpaceMismatchError: ingest did not make it, or without sparse vectors of BM25.
        """
        if not client.collection_exists(collection):
            raise TargetError(
                f"there is no collection {collection!r}. Check the name, or run  embed-plugin ingest  first"
            )
        written = written_on(client.get_collection(collection).config.metadata or {})
        if written is None:
            raise _not_bm25(collection, "no word of embed-plugin about its vectors")
        identity = identity_of(written)
        if identity.sparse != "bm25":
            raise _not_bm25(
                collection, f"sparse vectors of {identity.sparse}" if identity.sparse else "dense vectors only"
            )
        return cls(bm25_settings_of(identity.sparse_settings))

    @property
    def fingerprint(self) -> str:
        """Identity of the vectors, sha256 (hex) of the settings: equal fingerprints mean comparable vectors."""
        canonical = json.dumps({"bm25": self.settings.for_identity()}, sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()

    def encode_documents(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode documents, one vector a text, in input order; one without any word where a text has none.

        Raises:
            InvalidInputError: ``texts`` is no list of texts.
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        return [_vector(self._bm25.document(text)) for text in list_of_texts(texts)]

    def encode_queries(self, texts: Sequence[str]) -> list[SparseVector]:
        """Encode queries: as :meth:`encode_documents`, with a weight of 1 for each word."""
        return [_vector(self._bm25.query(text)) for text in list_of_texts(texts)]

    def stream_documents(self, texts: Iterable[str]) -> Iterator[SparseVector]:
        """Yield the vector of each document in input order."""
        for index, text in enumerate(iterable_of_texts(texts)):
            refuse_bad_texts([text], index)
            yield _vector(self._bm25.document(text))


def _vector(weights: Weights) -> SparseVector:
    # A word's index is the absolute value of a hash of 32 bits, which may be 2**31: one more than int32 holds.
    indices = np.array(weights.indices, dtype=np.uint32)
    return SparseVector(cast("npt.NDArray[np.int32]", indices), np.array(weights.values, dtype=np.float32))


def _not_bm25(collection: str, found: str) -> SpaceMismatchError:
    return SpaceMismatchError(
        f"collection {collection!r} has {found}, expected sparse vectors made by  embed-plugin ingest --sparse bm25 . "
        "Ingest into another collection, or give the encoder that its sparse vectors were made with"
    )

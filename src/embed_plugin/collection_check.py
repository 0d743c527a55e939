"""Check that a Qdrant collection holds an encoder's vectors, also one that a framework's vector store filled.

The identity on the collection is compared; on a collection that has none, it is written after some of the stored
vectors have been compared with the encoder's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from embed_plugin.collection_identity import CollectionIdentity, written_on
from embed_plugin.errors import SpaceMismatchError, TargetError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.protocols import TextEncoder

SAMPLE_POINTS = 16
LEAST_COSINE = 0.999
"""Minimum cosine of each sampled vector to its text's. The same folder gives 1 on one class of CPU, 0.9992 or more on
another, and float16 takes 0.00001. Another precision of the same checkpoint may pass: int8 all-MiniLM-L6-v2 is at
0.9997 to the fp32 model, too near for a search to tell them apart."""


class CollectionClient(Protocol):
    """The methods of a ``qdrant_client.QdrantClient`` that are called; the results are Qdrant's own."""

    def collection_exists(self, collection_name: str) -> bool: ...  # noqa: D102

    def get_collection(self, collection_name: str) -> Any: ...  # noqa: ANN401, D102

    def scroll(  # noqa: D102
        self, collection_name: str, *, limit: int, with_payload: bool, with_vectors: bool
    ) -> tuple[Any, Any]: ...

    def update_collection(self, collection_name: str, *, metadata: dict[str, Any]) -> bool: ...  # noqa: D102


def check_collection(
    client: CollectionClient,
    collection: str,
    encoder: TextEncoder,
    *,
    text_of: Callable[[Mapping[str, Any]], str | None],
    vector_name: str = "",
    layout: str = "plain",
) -> None:
    """Check that a collection holds an encoder's vectors, by the fingerprint on it; write it there if it has none.

    Where there is no fingerprint, some of the stored texts are encoded again and must have the stored vectors.

    Args:
        client: A ``qdrant_client.QdrantClient``; its errors are raised as they are.
        collection: The collection's name.
        encoder: The encoder whose vectors it should hold.
        text_of: The text that was embedded, from a point's payload; None or empty where it has none.
        vector_name: The name of the vector to compare; empty for the unnamed one.
        layout: The name that ingest has for the layout of these payloads.

    Raises:
        SpaceMismatchError: it holds other vectors, or none can be compared.
        TargetError: there is no such collection.
    """
    if not client.collection_exists(collection):
        raise TargetError(f"there is no collection {collection!r}. Check the name, or store something in it first")
    config = client.get_collection(collection).config
    metadata = config.metadata or {}
    _check_dimension(config.params.vectors, collection, encoder, vector_name)
    written = written_on(metadata)
    if written is not None:
        found, expected = written.get("fingerprint"), encoder.fingerprint
        if found != expected:
            raise _mismatch(collection, f"vectors of the space {found}", f"this model's space {expected}")
        if written.get("vector", "") != vector_name:  # after a migration, the unnamed vector is the old model's
            raise _mismatch(collection, f"that space's vectors under the name {written['vector']!r}", repr(vector_name))
        return
    _check_points(client, collection, encoder, text_of, vector_name)
    identity = CollectionIdentity(
        encoder.fingerprint, encoder.dimension, namespace=collection, layout=layout, vector=vector_name
    )
    client.update_collection(collection, metadata={**metadata, **identity.metadata()})


def _check_dimension(vectors: Any, collection: str, encoder: TextEncoder, name: str) -> None:  # noqa: ANN401 - Qdrant's
    """Refuse vectors of another name or length; ``vectors`` is one description, or one per name."""
    by_name = vectors if isinstance(vectors, dict) else {"": vectors}
    params = by_name.get(name)
    if params is None:
        raise _mismatch(collection, f"the vectors {sorted(by_name)}", f"one named {name!r}")
    if params.multivector_config is not None:
        raise _mismatch(collection, "multivectors, several vectors a point", "one vector per point")
    if params.size != encoder.dimension:
        raise _mismatch(collection, f"vectors of dimension {params.size}", f"this model's {encoder.dimension}")


def _check_points(
    client: CollectionClient,
    collection: str,
    encoder: TextEncoder,
    text_of: Callable[[Mapping[str, Any]], str | None],
    vector_name: str,
) -> None:
    """Encode some of the stored texts again and compare; an empty collection passes."""
    points, _ = client.scroll(collection, limit=SAMPLE_POINTS, with_payload=True, with_vectors=True)
    if not points:
        return
    stored = {
        text: vector
        for point in points
        if (text := text_of(point.payload or {})) and (vector := _vector_of(point.vector, vector_name)) is not None
    }
    if not stored:
        raise _mismatch(collection, "points of unknown origin whose text is not stored", "points with their text")
    cosines = cosines_to_texts(list(stored), list(stored.values()), encoder)
    if not cosines.min() >= LEAST_COSINE:  # NaN is not either
        found = f"vectors whose cosine to this model's is {cosines.mean():.4f} (least {cosines.min():.4f})"
        raise _mismatch(collection, found, f"{LEAST_COSINE} or more for each of {len(cosines)} texts")


def cosines_to_texts(
    texts: Sequence[str], vectors: Sequence[npt.ArrayLike], encoder: TextEncoder
) -> npt.NDArray[np.float64]:
    """The cosine of each stored vector to the encoder's vector of its text, ``(n,)``; that of a zero vector is 0."""
    stored = np.array(vectors, dtype=np.float64)
    norms = np.linalg.norm(stored, axis=1)
    products = np.sum(stored * encoder.encode_documents(texts), axis=1)
    return np.asarray(products / np.where(norms > 0, norms, 1))


def _vector_of(vector: Any, name: str) -> Any:  # noqa: ANN401 - Qdrant's
    return vector.get(name) if isinstance(vector, dict) else vector


def _mismatch(collection: str, found: str, expected: str) -> SpaceMismatchError:
    return SpaceMismatchError(
        f"collection {collection!r} has {found}, expected {expected}. "
        "Use the model that made it, or embed its texts again into another collection"
    )

"""Convert collection settings to arguments of qdrant-client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from grpc import RpcError  # type: ignore[import-untyped]
from qdrant_client import models
from qdrant_client.http.exceptions import UnexpectedResponse

from embed_plugin.collection_identity import BM25
from embed_plugin.ingest.stores.description import VectorShape
from embed_plugin.ingest.stores.qdrant.backend import sparse_vector_name, tokens_vector_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from qdrant_client import QdrantClient

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.qdrant.backend import AddedVectors

_DISTANCES: Mapping[str | None, models.Distance] = {
    None: models.Distance.COSINE,
    "cosine": models.Distance.COSINE,
    "dot": models.Distance.DOT,
    "euclid": models.Distance.EUCLID,
}
_QUANTISATIONS: Mapping[str | None, models.QuantizationConfig | None] = {
    None: None,
    "scalar": models.ScalarQuantization(
        scalar=models.ScalarQuantizationConfig(type=models.ScalarType.INT8, quantile=0.99, always_ram=True)
    ),
    "binary": models.BinaryQuantization(binary=models.BinaryQuantizationConfig(always_ram=True)),
}


def create_once(client: QdrantClient, collection: str, **arguments: Any) -> None:  # noqa: ANN401 - qdrant-client's own
    """Create a collection if it does not exist: an earlier attempt may have succeeded unnoticed, or another run."""
    if client.collection_exists(collection):
        return
    try:
        client.create_collection(collection, **arguments)
    except (UnexpectedResponse, RpcError, ValueError):
        if not client.collection_exists(collection):
            raise


def collection_arguments(identity: CollectionIdentity, settings: CollectionSettings) -> dict[str, Any]:
    """The arguments of ``create_collection``, without the metadata."""
    return {
        "vectors_config": _vectors(identity, settings),
        "sparse_vectors_config": _sparse_vectors(identity),
        "on_disk_payload": settings.payload_on_disk,
        "quantization_config": _QUANTISATIONS[settings.quantisation],
        "shard_number": settings.shards,
        "replication_factor": settings.replication_factor,
        "hnsw_config": models.HnswConfigDiff(m=settings.hnsw_m, ef_construct=settings.hnsw_ef_construct),
    }


def _vectors(
    identity: CollectionIdentity, settings: CollectionSettings
) -> models.VectorParams | dict[str, models.VectorParams]:
    kept: dict[str, Any] = {
        "on_disk": settings.vectors_on_disk,
        "datatype": models.Datatype(settings.datatype) if settings.datatype else None,
    }
    dense = models.VectorParams(size=identity.dimension, distance=_DISTANCES[settings.distance], **kept)
    if identity.late_dimension is None:
        return dense
    # The dot product of unit vectors is their cosine, and they are kept as they were made.
    tokens = models.VectorParams(
        size=identity.late_dimension,
        distance=models.Distance.DOT,
        multivector_config=models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM),
        **kept,
    )
    return {"": dense, tokens_vector_name(identity): tokens}


def _sparse_vectors(identity: CollectionIdentity) -> dict[str, models.SparseVectorParams] | None:
    name = sparse_vector_name(identity)
    modifier = models.Modifier.IDF if identity.sparse == BM25 else None
    return None if name is None else {name: models.SparseVectorParams(modifier=modifier)}


def vector_config(added: AddedVectors) -> models.DenseVectorNameConfig | models.SparseVectorNameConfig:
    """The configuration of a kind of vectors that is added to a collection."""
    if added.dimension is None:
        modifier = models.Modifier.IDF if added.idf else None
        return models.SparseVectorNameConfig(sparse=models.SparseVectorConfig(modifier=modifier))
    if not added.several:
        dense = models.DenseVectorConfig(size=added.dimension, distance=models.Distance.COSINE)
        return models.DenseVectorNameConfig(dense=dense)
    several = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)
    tokens = models.DenseVectorConfig(size=added.dimension, distance=models.Distance.DOT, multivector_config=several)
    return models.DenseVectorNameConfig(dense=tokens)


def payload_indexes(settings: CollectionSettings) -> dict[str, models.PayloadSchemaType]:
    """The kind of each indexed payload key."""
    return {key: models.PayloadSchemaType(kind) for key, kind in settings.indexes().items()}


def vector_shape(params: models.VectorParams) -> VectorShape:
    """The shape of a collection's vectors of one name."""
    datatype = params.datatype.value if params.datatype else models.Datatype.FLOAT32.value
    several = params.multivector_config is not None
    return VectorShape(params.size, params.distance.value.lower(), datatype, several=several)

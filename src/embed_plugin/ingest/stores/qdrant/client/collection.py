"""Convert collection settings to arguments of qdrant-client."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from qdrant_client import models

from embed_plugin.ingest.stores.description import VectorShape
from embed_plugin.ingest.stores.qdrant.backend import SPARSE_VECTOR

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.stores.collection_settings import CollectionSettings

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


def collection_arguments(dimension: int, settings: CollectionSettings) -> dict[str, Any]:
    """The arguments of ``create_collection``, without the metadata."""
    sparse = models.SparseVectorParams(modifier=models.Modifier.IDF) if settings.sparse else None
    return {
        "vectors_config": models.VectorParams(
            size=dimension,
            distance=_DISTANCES[settings.distance],
            on_disk=settings.vectors_on_disk,
            datatype=models.Datatype(settings.datatype) if settings.datatype else None,
        ),
        "sparse_vectors_config": {SPARSE_VECTOR: sparse} if sparse else None,
        "on_disk_payload": settings.payload_on_disk,
        "quantization_config": _QUANTISATIONS[settings.quantisation],
        "shard_number": settings.shards,
        "replication_factor": settings.replication_factor,
        "hnsw_config": models.HnswConfigDiff(m=settings.hnsw_m, ef_construct=settings.hnsw_ef_construct),
    }


def payload_indexes(settings: CollectionSettings) -> dict[str, models.PayloadSchemaType]:
    """The kind of each indexed payload key."""
    return {key: models.PayloadSchemaType(kind) for key, kind in settings.indexes().items()}


def vector_shape(params: models.VectorParams) -> VectorShape:
    """The shape of a collection's vectors of one name."""
    datatype = params.datatype.value if params.datatype else models.Datatype.FLOAT32.value
    several = params.multivector_config is not None
    return VectorShape(params.size, params.distance.value.lower(), datatype, several=several)

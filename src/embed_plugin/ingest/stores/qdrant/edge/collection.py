"""Convert collection settings to a configuration of qdrant-edge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import qdrant_edge as edge

from embed_plugin.collection_identity import BM25
from embed_plugin.ingest.stores.qdrant.backend import sparse_vector_name, tokens_vector_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.collection_identity import CollectionIdentity
    from embed_plugin.ingest.stores.collection_settings import CollectionSettings
    from embed_plugin.ingest.stores.qdrant.backend import AddedVectors

_DISTANCES: Mapping[str | None, edge.Distance] = {
    None: edge.Distance.Cosine,
    "cosine": edge.Distance.Cosine,
    "dot": edge.Distance.Dot,
    "euclid": edge.Distance.Euclid,
}
_DATATYPES: Mapping[str | None, edge.VectorStorageDatatype | None] = {
    None: None,
    "float32": edge.VectorStorageDatatype.Float32,
    "float16": edge.VectorStorageDatatype.Float16,
}
_HNSW_M, _HNSW_EF_CONSTRUCT, _FULL_SCAN_KB = 16, 100, 10_000  # a server's defaults


def edge_config(identity: CollectionIdentity, settings: CollectionSettings) -> edge.EdgeConfig:
    """The configuration of a new shard."""
    return edge.EdgeConfig(
        vectors=_vectors(identity, settings),
        sparse_vectors=_sparse_vectors(identity),
        hnsw_config=edge.HnswIndexConfig(
            m=_HNSW_M if settings.hnsw_m is None else settings.hnsw_m,
            ef_construct=settings.hnsw_ef_construct or _HNSW_EF_CONSTRUCT,
            full_scan_threshold=_FULL_SCAN_KB,
        ),
        quantization_config=_quantisation(settings),
        payload_memory=_memory(on_disk=settings.payload_on_disk),
    )


def _vectors(
    identity: CollectionIdentity, settings: CollectionSettings
) -> edge.EdgeVectorParams | dict[str, edge.EdgeVectorParams]:
    kept: dict[str, Any] = {
        "datatype": _DATATYPES[settings.datatype],
        "memory": _memory(on_disk=settings.vectors_on_disk),
    }
    dense = edge.EdgeVectorParams(size=identity.dimension, distance=_DISTANCES[settings.distance], **kept)
    if identity.late_dimension is None:
        return dense
    tokens = edge.EdgeVectorParams(
        size=identity.late_dimension,
        distance=edge.Distance.Dot,
        multivector_config=edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim),
        **kept,
    )
    return {"": dense, tokens_vector_name(identity): tokens}


def _sparse_vectors(identity: CollectionIdentity) -> dict[str, edge.EdgeSparseVectorParams] | None:
    name = sparse_vector_name(identity)
    modifier = edge.Modifier.Idf if identity.sparse == BM25 else None
    return None if name is None else {name: edge.EdgeSparseVectorParams(modifier=modifier)}


def vector_creation(added: AddedVectors) -> edge.UpdateOperation:
    """The operation that adds a kind of vectors to a shard; it does nothing where they are there already."""
    if added.dimension is None:
        modifier = edge.Modifier.Idf if added.idf else None
        return edge.UpdateOperation.create_sparse_vector(added.name, modifier)
    if not added.several:
        return edge.UpdateOperation.create_dense_vector(added.name, added.dimension, edge.Distance.Cosine)
    several = edge.MultiVectorConfig(edge.MultiVectorComparator.MaxSim)
    return edge.UpdateOperation.create_dense_vector(added.name, added.dimension, edge.Distance.Dot, several)


def payload_indexes(settings: CollectionSettings) -> dict[str, edge.PayloadSchemaType]:
    """The kind of each indexed payload key."""
    return {key: getattr(edge.PayloadSchemaType, kind.capitalize()) for key, kind in settings.indexes().items()}


def _memory(*, on_disk: bool | None) -> edge.Memory | None:
    if on_disk is None:
        return None
    return edge.Memory.Cold if on_disk else edge.Memory.Cached


def _quantisation(settings: CollectionSettings) -> edge.QuantizationConfigType | None:
    if settings.quantisation == "scalar":
        return edge.ScalarQuantizationConfig(type=edge.ScalarType.Int8, quantile=0.99)
    return edge.BinaryQuantizationConfig() if settings.quantisation == "binary" else None

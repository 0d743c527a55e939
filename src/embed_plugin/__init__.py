"""Text embeddings on ordinary CPUs with onnxruntime, and from there into Qdrant, LangChain and LlamaIndex.

Names are imported on first use (PEP 562): ``import embed_plugin.client`` loads no engine.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from embed_plugin import telemetry as _telemetry  # noqa: F401 - switches it off before onnxruntime is loaded

if TYPE_CHECKING:
    from embed_plugin.collection_check import check_collection
    from embed_plugin.encode import (
        CombinedEncoder,
        Encoder,
        EncoderSettings,
        LateInteractionEncoder,
        Reranker,
        SparseEncoder,
    )
    from embed_plugin.errors import (
        ClusterError,
        EmbedPluginError,
        EncodingError,
        EndpointError,
        EndpointUnavailableError,
        ExportError,
        InvalidInputError,
        InvalidTextError,
        MissingExtraError,
        ModelFolderError,
        OtherCpuWarning,
        OtherSpaceError,
        OutputError,
        QualityFloorError,
        RecordError,
        RefusedContentError,
        ServiceError,
        SourceError,
        SpaceMismatchError,
        StateError,
        TargetError,
        UnknownArchitectureError,
    )
    from embed_plugin.ingest.stores.bm25_settings import Bm25Settings
    from embed_plugin.ingest.stores.qdrant.bm25_encoder import Bm25Encoder
    from embed_plugin.max_sim import maxsim
    from embed_plugin.model.folder import read_model_folder
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.protocols import TextEncoder, TextLateInteractionEncoder, TextReranker, TextSparseEncoder
    from embed_plugin.types import CombinedResult, Pooling, Precision, Role, Scores, SparseVector, Vectors

__version__ = "0.1.0"

__all__ = [
    "Bm25Encoder",
    "Bm25Settings",
    "ClusterError",
    "CombinedEncoder",
    "CombinedResult",
    "EmbedPluginError",
    "Encoder",
    "EncoderSettings",
    "EncodingError",
    "EndpointError",
    "EndpointUnavailableError",
    "ExportError",
    "InvalidInputError",
    "InvalidTextError",
    "LateInteractionEncoder",
    "MissingExtraError",
    "ModelFolderError",
    "ModelSpec",
    "OtherCpuWarning",
    "OtherSpaceError",
    "OutputError",
    "Pooling",
    "Precision",
    "QualityFloorError",
    "RecordError",
    "RefusedContentError",
    "Reranker",
    "Role",
    "Scores",
    "ServiceError",
    "SourceError",
    "SpaceMismatchError",
    "SparseEncoder",
    "SparseVector",
    "StateError",
    "TargetError",
    "TextEncoder",
    "TextLateInteractionEncoder",
    "TextReranker",
    "TextSparseEncoder",
    "UnknownArchitectureError",
    "Vectors",
    "__version__",
    "check_collection",
    "maxsim",
    "read_model_folder",
]

_MODULES = {
    "Bm25Encoder": "ingest.stores.qdrant.bm25_encoder",
    "Bm25Settings": "ingest.stores.bm25_settings",
    "CombinedEncoder": "encode",
    "CombinedResult": "types",
    "Encoder": "encode",
    "EncoderSettings": "encode",
    "LateInteractionEncoder": "encode",
    "ModelSpec": "model.spec",
    "Pooling": "types",
    "Precision": "types",
    "Reranker": "encode",
    "Role": "types",
    "Scores": "types",
    "SparseEncoder": "encode",
    "SparseVector": "types",
    "TextEncoder": "protocols",
    "TextLateInteractionEncoder": "protocols",
    "TextReranker": "protocols",
    "TextSparseEncoder": "protocols",
    "Vectors": "types",
    "check_collection": "collection_check",
    "maxsim": "max_sim",
    "read_model_folder": "model.folder",
}
"""The module of each name; names that are missing here are errors."""


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES.get(name, 'errors')}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})

"""Text embeddings on ordinary CPUs with onnxruntime, and from there into Qdrant, LangChain and LlamaIndex."""

from embed_plugin.collection_check import check_collection
from embed_plugin.contracts import ModelSpec, Pooling, Precision, Role, TextEncoder, Vectors
from embed_plugin.encode import Encoder, EncoderSettings
from embed_plugin.errors import (
    EmbedPluginError,
    EndpointError,
    EndpointUnavailableError,
    ExportError,
    InvalidInputError,
    InvalidTextError,
    MissingExtraError,
    ModelFolderError,
    OtherCpuWarning,
    OtherSpaceError,
    QualityFloorError,
    RecordError,
    SourceError,
    SpaceMismatchError,
    TargetError,
    UnknownArchitectureError,
)
from embed_plugin.model_folder import read_model_folder

__version__ = "0.1.0"

__all__ = [
    "EmbedPluginError",
    "Encoder",
    "EncoderSettings",
    "EndpointError",
    "EndpointUnavailableError",
    "ExportError",
    "InvalidInputError",
    "InvalidTextError",
    "MissingExtraError",
    "ModelFolderError",
    "ModelSpec",
    "OtherCpuWarning",
    "OtherSpaceError",
    "Pooling",
    "Precision",
    "QualityFloorError",
    "RecordError",
    "Role",
    "SourceError",
    "SpaceMismatchError",
    "TargetError",
    "TextEncoder",
    "UnknownArchitectureError",
    "Vectors",
    "__version__",
    "check_collection",
    "read_model_folder",
]

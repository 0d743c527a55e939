"""All errors of this package.

EmbedPluginError
├── InvalidInputError        what the caller passed cannot be used (also a ValueError)
│   └── InvalidTextError     one text in a sequence cannot be encoded; carries its index
├── StateError               an object cannot do this now: a client is closed, a process was forked
├── MissingExtraError        an optional dependency is not installed (also an ImportError)
├── OutputError              a file cannot be written: a full disk, no permission
├── ModelFolderError         a model folder is missing, damaged, tampered with or of another version
├── EncodingError            a model cannot be run, or its output is not valid vectors
├── SourceError              a checkpoint could not be found, fetched or trusted
├── ExportError              a checkpoint cannot become a model folder
│   └── UnknownArchitectureError
├── QualityFloorError        a model is too far from the fp32 one, or from its baseline
├── RecordError              a record cannot be read, decoded or chunked
├── ClusterError             a Ray cluster cannot be reached, has no room, or loses its workers
├── ServiceError             the service cannot start
├── EndpointError            an embedding service refuses a request, or its response is unusable; carries its name
│   ├── EndpointUnavailableError  it cannot be reached, is overloaded or too slow: retry later
│   └── OtherSpaceError      it gives vectors of another space than the client's
└── TargetError              the vector store cannot be reached or refuses
    ├── RefusedContentError  it refuses a request because of its content
    └── SpaceMismatchError   the collection holds vectors of another space

A message says what was found, what was expected and what to do. The one warning, OtherCpuWarning, is a UserWarning:
the program goes on, with vectors that may be wrong.
"""

from __future__ import annotations


class EmbedPluginError(Exception):
    """Base class of this package's errors."""


class InvalidInputError(EmbedPluginError, ValueError):
    """An argument or setting cannot be used."""


class InvalidTextError(InvalidInputError):
    """One text cannot be encoded.

    Attributes:
        index: Position of the text in the caller's input.
    """

    def __init__(self, index: int, problem: str) -> None:
        super().__init__(f"text {index}: {problem}")
        self.index = index
        self.problem = problem

    def __reduce__(self) -> tuple[type[InvalidTextError], tuple[int, str]]:
        """Pickle by the two arguments, so that the error can be sent between processes."""
        return type(self), (self.index, self.problem)


class StateError(EmbedPluginError):
    """An object cannot do this now: a client is closed, or a stream was begun before a fork."""


class OutputError(EmbedPluginError):
    """A file cannot be written: the disk is full, or this user may not."""


class EncodingError(EmbedPluginError):
    """A model cannot be run, or its output is not valid vectors: NaN, infinity, another shape."""


class ModelFolderError(EmbedPluginError):
    """A model folder is missing, damaged, tampered with or of another version."""


class SourceError(EmbedPluginError):
    """A checkpoint could not be found, fetched or trusted."""


class ExportError(EmbedPluginError):
    """A checkpoint cannot become a model folder."""


class UnknownArchitectureError(ExportError):
    """No exporter that may be used here knows this architecture."""


class QualityFloorError(EmbedPluginError):
    """A model is too far from the fp32 model, or loses more than was allowed against a baseline."""


class MissingExtraError(EmbedPluginError, ImportError):
    """An optional dependency is not installed."""


class RecordError(EmbedPluginError):
    """A record cannot be read, decoded or chunked."""


class ClusterError(EmbedPluginError):
    """A Ray cluster cannot be reached, has no room, or loses its workers repeatedly."""


class ServiceError(EmbedPluginError):
    """The service cannot start: its address is taken, its keys cannot be read."""


class EndpointError(EmbedPluginError):
    """An embedding service refuses a request, or its response cannot be used.

    Attributes:
        endpoint: The service, by its URL.
    """

    def __init__(self, endpoint: str, problem: str) -> None:
        super().__init__(f"{endpoint}: {problem}")
        self.endpoint = endpoint
        self.problem = problem

    def __reduce__(self) -> tuple[type[EndpointError], tuple[object, ...]]:
        """Pickle by the arguments, so that the error can be sent between processes."""
        return type(self), (self.endpoint, self.problem)


class EndpointUnavailableError(EndpointError):
    """An embedding service cannot be reached, is overloaded or too slow: the same request may succeed later.

    Attributes:
        retry_after: Seconds to wait before a retry, if the service named them.
    """

    def __init__(self, endpoint: str, problem: str, retry_after: float | None = None) -> None:
        super().__init__(endpoint, problem)
        self.retry_after = retry_after

    def __reduce__(self) -> tuple[type[EndpointError], tuple[object, ...]]:
        """Pickle by the arguments, so that the error can be sent between processes."""
        return type(self), (self.endpoint, self.problem, self.retry_after)


class OtherSpaceError(EndpointError):
    """An embedding service has another vector space than the client: their vectors must not be mixed."""


class TargetError(EmbedPluginError):
    """The vector store cannot be reached, or refuses a request."""


class RefusedContentError(TargetError):
    """The vector store refuses a request because of its content; without the offending point it accepts the rest."""


class SpaceMismatchError(TargetError):
    """The collection holds vectors of another space than the encoder's."""


class OtherCpuWarning(UserWarning):
    """A model folder gives other vectors on this class of CPU than on the one it was checked on."""

"""Every error this package raises on purpose.

EmbedPluginError
├── InvalidInputError        what the caller passed cannot be used (also a ValueError)
│   └── InvalidTextError     one text in a sequence cannot be encoded; carries its index
├── ModelFolderError         a model folder is missing, damaged, tampered with or of another version
├── SourceError              a checkpoint could not be found, fetched or trusted
├── ExportError              a checkpoint cannot become a model folder
│   └── UnknownArchitectureError
├── QualityFloorError        a model is too far from the fp32 one, or from its baseline
├── MissingExtraError        an optional dependency is not installed (also an ImportError)
├── RecordError              a record cannot be read, decoded or chunked
└── TargetError              the vector store cannot be reached or refuses
    └── SpaceMismatchError   the collection holds vectors of another space

A message says what was found, what was expected and what to do. The one warning of its own, OtherCpuWarning, is a
UserWarning: the program runs on, with vectors that may be wrong.
"""

from __future__ import annotations


class EmbedPluginError(Exception):
    """Base of every error raised on purpose by this package."""


class InvalidInputError(EmbedPluginError, ValueError):
    """What the caller passed cannot be used."""


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
        """Pickle by the two arguments, so that the error crosses process borders."""
        return type(self), (self.index, self.problem)


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


class TargetError(EmbedPluginError):
    """The vector store cannot be reached, or refuses what was asked."""


class SpaceMismatchError(TargetError):
    """The collection holds vectors of another space than the encoder's."""


class OtherCpuWarning(UserWarning):
    """A model folder gives other vectors on this class of CPU than on the one it was checked on."""

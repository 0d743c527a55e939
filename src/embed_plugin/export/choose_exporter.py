"""Choose the exporter that makes the graph of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from embed_plugin.errors import MissingExtraError, UnknownArchitectureError
from embed_plugin.export.architectures.native import NativeExporter
from embed_plugin.export.architectures.registry import find_architecture
from embed_plugin.export.architectures.static import StaticExporter
from embed_plugin.export.traced.ready_file import OnnxFileExporter
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output

ExporterName: TypeAlias = Literal["auto", "native", "onnx", "optimum"]


class Exporter(Protocol):
    """Makes the fp32 graph of one checkpoint.

    Attributes:
        name: ``native``, ``onnx`` or ``optimum``.
        packages: The packages whose versions change the graph; they are part of the provenance.
        architecture: The checkpoint's ``model_type``.
        positions: The most tokens of a text that the checkpoint has positions for; None: it does not state it.
    """

    @property
    def name(self) -> str: ...  # noqa: D102 - documented above, as the next three
    @property
    def packages(self) -> tuple[str, ...]: ...  # noqa: D102
    @property
    def architecture(self) -> str: ...  # noqa: D102
    @property
    def positions(self) -> int | None: ...  # noqa: D102

    def build(self, output: Output, max_tokens: int, work: Path) -> onnx.ModelProto:
        """Build the graph from token ids to the output; temporary files go to ``work``."""


def choose_exporter(checkpoint: CheckpointDescription, name: ExporterName) -> Exporter:
    """Choose the exporter for a checkpoint; ``auto`` prefers the native one, then a ready file.

    Raises:
        UnknownArchitectureError: no exporter covers this architecture.
        MissingExtraError: the name is ``optimum``, and optimum is not installed.
    """
    if checkpoint.is_static:
        return _static(checkpoint, name)
    if name == "onnx" or (name == "auto" and not checkpoint.weight_files()):
        return OnnxFileExporter(checkpoint)
    if name == "optimum":
        return _optimum(checkpoint)
    try:
        return NativeExporter(checkpoint)
    except UnknownArchitectureError as error:
        if name == "native":
            raise
        return _without_native(checkpoint, error)


def _without_native(checkpoint: CheckpointDescription, error: UnknownArchitectureError) -> Exporter:
    """The exporter of an architecture that is not written here: a ready file, or optimum where it is installed."""
    if checkpoint.onnx_file() is not None:
        return OnnxFileExporter(checkpoint)
    try:
        return _optimum(checkpoint)
    except MissingExtraError:
        raise error from None


def _static(checkpoint: CheckpointDescription, name: ExporterName) -> Exporter:
    if name in ("onnx", "optimum"):
        raise UnknownArchitectureError("a static embedding has no encoder to trace: leave --exporter out")
    return StaticExporter(checkpoint)


def is_native(checkpoint: CheckpointDescription) -> bool:
    """Tell if the native exporter knows a checkpoint's architecture."""
    if checkpoint.is_static:
        return True
    try:
        find_architecture(checkpoint)
    except UnknownArchitectureError:
        return False
    return True


def _optimum(checkpoint: CheckpointDescription) -> Exporter:
    part = import_part("embed_plugin.export.traced.exporter", extra="optimum")
    return cast("Exporter", part.OptimumExporter(checkpoint))

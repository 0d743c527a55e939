"""Choose the exporter that makes the graph of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from embed_plugin.errors import ExportError, MissingExtraError, UnknownArchitectureError
from embed_plugin.export.architectures.native import NativeExporter
from embed_plugin.export.architectures.registry import find_architecture
from embed_plugin.export.architectures.static import StaticExporter
from embed_plugin.export.traced.ready_file import OnnxFileExporter
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from embed_plugin.export.adapters.adapter import Adapter
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


def choose_exporter(checkpoint: CheckpointDescription, name: ExporterName, adapter: Adapter | None = None) -> Exporter:
    """Choose the exporter for a checkpoint; ``auto`` prefers the native one, which alone merges an adapter.

    Raises:
        ExportError: there is an adapter to merge, and the exporter is not the native one.
        UnknownArchitectureError: no exporter covers this architecture.
        MissingExtraError: the name is ``optimum``, and optimum is not installed.
    """
    try:
        return (
            NativeExporter(checkpoint, adapter)
            if _asks_for_native(checkpoint, name)
            else _other(checkpoint, name, adapter)
        )
    except UnknownArchitectureError as error:
        if name != "auto":
            raise
        try:
            return _other(checkpoint, "optimum" if checkpoint.onnx_file() is None else "onnx", adapter)
        except MissingExtraError:
            raise error from None


def _asks_for_native(checkpoint: CheckpointDescription, name: ExporterName) -> bool:
    has_weights = bool(checkpoint.weight_files())
    return not checkpoint.is_static and (name == "native" or (name == "auto" and has_weights))


def _other(checkpoint: CheckpointDescription, name: ExporterName, adapter: Adapter | None) -> Exporter:
    """The exporter of a static embedding, of a ready file, or through optimum; none of them merges an adapter."""
    if adapter is not None and adapter.name:
        found = f"{checkpoint.folder} has an adapter ({adapter.name}), which only the native exporter applies"
        raise ExportError(f"{found}. Merge it into the model (PEFT's merge_and_unload) and give what that saves")
    if checkpoint.is_static:
        if name in {"onnx", "optimum"}:
            raise UnknownArchitectureError("a static embedding has no encoder to trace: leave --exporter out")
        return StaticExporter(checkpoint)
    if name == "optimum":
        part = import_part("embed_plugin.export.traced.exporter", extra="optimum")
        return cast("Exporter", part.OptimumExporter(checkpoint))
    return OnnxFileExporter(checkpoint)


def is_native(checkpoint: CheckpointDescription) -> bool:
    """Tell if the native exporter knows a checkpoint's architecture."""
    if checkpoint.is_static:
        return True
    try:
        find_architecture(checkpoint)
    except UnknownArchitectureError:
        return False
    return True

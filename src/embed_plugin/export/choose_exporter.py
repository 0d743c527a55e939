"""Choose the exporter that makes the graph of a checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, cast

from embed_plugin.errors import ExportError, MissingExtraError, UnknownArchitectureError
from embed_plugin.export.architectures.native import NativeExporter
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from pathlib import Path

    import onnx

    from embed_plugin.export.adapters.adapter import Adapter
    from embed_plugin.export.checkpoint.description import CheckpointDescription
    from embed_plugin.export.outputs.output import Output

ExporterName: TypeAlias = Literal["auto", "native", "optimum"]


class Exporter(Protocol):
    """Makes the fp32 graph of one checkpoint.

    Attributes:
        name: ``native`` or ``optimum``.
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
        ExportError: the exporter is optimum, and there is an adapter to merge.
        UnknownArchitectureError: no exporter covers this architecture.
        MissingExtraError: the name is ``optimum``, and optimum is not installed.
    """
    if name == "optimum":
        return _optimum(checkpoint, adapter)
    try:
        return NativeExporter(checkpoint, adapter)
    except UnknownArchitectureError as error:
        if name == "native":
            raise
        try:
            return _optimum(checkpoint, adapter)
        except MissingExtraError:
            raise error from None


def _optimum(checkpoint: CheckpointDescription, adapter: Adapter | None) -> Exporter:
    if adapter is not None and adapter.name:
        found = (
            f"{checkpoint.folder} has an adapter ({adapter.name}), which the exporter through optimum does not apply"
        )
        raise ExportError(f"{found}. Merge it into the model (PEFT's merge_and_unload) and give what that saves")
    part = import_part("embed_plugin.export.traced.exporter", extra="optimum")
    return cast("Exporter", part.OptimumExporter(checkpoint))

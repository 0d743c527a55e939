"""The options of a run of ``ingest``: ``IngestSettings``, the files of rejected records, and the engine."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.ingest import IngestSettings
    from embed_plugin.ingest.window.workers import Task, Workers


@dataclass(frozen=True, kw_only=True)
class Run(OptionGroup, panel="Run"):
    """The fields of ``IngestSettings``."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Remove what is stored of records that are not there any more.")
    ] = False
    max_delete: Annotated[
        float, typer.Option(help="Largest part of the points that --mirror may remove.", min=0, max=1)
    ] = 0.1
    shard: Annotated[str, typer.Option(help="Take part I of N of the records.", metavar="I/N")] = "1/1"
    chunk_tokens: Annotated[
        int | None,
        typer.Option(help="Most tokens of a chunk.", show_default="model's limit", rich_help_panel="Chunks"),
    ] = None
    overlap_tokens: Annotated[
        int, typer.Option(help="Tokens a chunk repeats of the one before.", rich_help_panel="Chunks")
    ] = 0

    def settings(self) -> IngestSettings:
        """Make the settings.

        Raises:
            InvalidInputError: a setting that cannot be used.
        """
        from embed_plugin.ingest import IngestSettings, Shard  # noqa: PLC0415 - needs the extra

        return IngestSettings(**self.given() | {"shard": Shard.parse(self.shard)})


@dataclass(frozen=True, kw_only=True)
class Rejections(OptionGroup, panel="Run"):
    """Files of rejected records."""

    rejected: Annotated[
        Path | None, typer.Option(help="File for what is rejected.", show_default="COLLECTION.rejected.jsonl")
    ] = None
    retry_rejected: Annotated[
        Path | None, typer.Option(help="Try what is in this file again, instead of paths.", show_default=False)
    ] = None


@dataclass(frozen=True, kw_only=True)
class Engine(OptionGroup, panel="Engine"):
    """Threads of this process, or workers on a Ray cluster."""

    engine: Annotated[
        Literal["local", "ray"],
        typer.Option(help="Who embeds and stores: this process, or workers on a Ray cluster (at RAY_ADDRESS)."),
    ] = "local"
    ray_workers: Annotated[
        int | None, typer.Option(help="Processes on the cluster.", min=1, show_default="as many as it has room for")
    ] = None
    ray_cpus: Annotated[int | None, typer.Option(help="CPUs of each of them.", min=1, show_default="1")] = None

    @contextmanager
    def workers(self, *, target: str) -> Iterator[Callable[[Task], Workers]]:
        """Start the workers; they stop when the block ends.

        Raises:
            typer.BadParameter: options that do not go together.
            ClusterError: no Ray cluster answers.
            MissingExtraError: Ray is not installed.
        """
        if self.engine == "local":
            if self.ray_workers or self.ray_cpus:
                raise typer.BadParameter("--ray-workers and --ray-cpus are for --engine ray")
            from embed_plugin.ingest.window.workers import LocalWorkers  # noqa: PLC0415 - needs the extra ingest

            yield LocalWorkers
            return
        from embed_plugin.ingest.stores.qdrant.client.target import is_server  # noqa: PLC0415 - the same

        if not is_server(target):
            raise typer.BadParameter(
                f"--to {target}: only one process may have that open, and --engine ray has several. Give the URL of a "
                "Qdrant server (http://HOST:6333)"
            )
        ray = import_part("embed_plugin.ingest.ray", extra="ray")
        with ray.connected():
            yield ray.OnRay(workers=self.ray_workers, cpus=self.ray_cpus or 1)

"""The options that choose the engine of ``ingest``: threads of this process, or workers on a Ray cluster."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.ingest.window.workers import RunContext, Workers


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
    def workers(self, *, target: str) -> Iterator[Callable[[RunContext], Workers]]:
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
        from embed_plugin.ingest.stores.qdrant.client.target import (  # noqa: PLC0415 - the same
            is_server,
            shown,
        )

        if not is_server(target):
            raise typer.BadParameter(
                f"--to {shown(target)}: only one process may have that open, and --engine ray has several. Give the "
                "URL of a Qdrant server (http://HOST:6333)"
            )
        ray = import_part("embed_plugin.ingest.ray", extra="ray")
        with ray.connected():
            yield ray.OnRay(workers=self.ray_workers, cpus=self.ray_cpus or 1)

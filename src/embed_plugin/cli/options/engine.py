"""The options that say who does the work of ``ingest``: threads of this process, or workers on a Ray cluster."""

from __future__ import annotations

from contextlib import contextmanager
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from embed_plugin.ingest.window.workers import RunContext, Workers


class EngineName(StrEnum):
    """Who does the work."""

    local = "local"
    ray = "ray"


Engine: TypeAlias = Annotated[
    EngineName,
    typer.Option("--engine", help="Who embeds and stores: this process, or workers on a Ray cluster (at RAY_ADDRESS)."),
]
RayWorkers: TypeAlias = Annotated[
    int | None,
    typer.Option("--ray-workers", help="Processes on the cluster.", min=1, show_default="as many as it has room for"),
]
RayCpus: TypeAlias = Annotated[
    int | None, typer.Option("--ray-cpus", help="CPUs of each of them.", min=1, show_default="1")
]


@contextmanager
def workers_on(
    engine: EngineName, *, target: str, workers: int | None, cpus: int | None
) -> Iterator[Callable[[RunContext], Workers]]:
    """Who does the work, for as long as the block lasts.

    Raises:
        BadParameter: options that do not go together.
        ClusterError: no Ray cluster answers.
        MissingExtraError: Ray is not installed.
    """
    if engine is EngineName.local:
        if workers or cpus:
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
    on_ray = import_part("embed_plugin.ingest.ray", extra="ray")
    with on_ray.connected():
        yield on_ray.OnRay(workers=workers, cpus=cpus or 1)

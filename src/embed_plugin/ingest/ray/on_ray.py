"""How many workers a run has on a Ray cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import ClusterError, InvalidInputError
from embed_plugin.ingest.ray.cluster import room_for
from embed_plugin.ingest.ray.workers import RayWorkers

if TYPE_CHECKING:
    from embed_plugin.ingest.window.workers import Task


@dataclass(frozen=True)
class OnRay:
    """Has the windows of a run done by workers on a Ray cluster; for the argument ``workers`` of ``ingest``.

    Attributes:
        workers: Processes; None for as many as the cluster's machines have room for.
        cpus: CPUs of each, all of one machine.

    Raises:
        InvalidInputError: one of them is below 1.
    """

    workers: int | None = None
    cpus: int = 1

    def __post_init__(self) -> None:
        if self.cpus < 1 or (self.workers is not None and self.workers < 1):
            raise InvalidInputError(f"{self.workers} workers of {self.cpus} CPUs: expected 1 or more of both")

    def __call__(self, task: Task) -> RayWorkers:
        """Start them.

        Raises:
            ClusterError: the cluster has no room for them.
            TargetError: the sink is one that only one process may have open.
        """
        room = room_for(self.cpus)
        workers = self.workers or max(1, room)
        if workers > room:
            message = (
                f"the Ray cluster has room for {room} workers of {self.cpus} CPUs, and {workers} were asked for: ask "
                "for less (--ray-workers, --ray-cpus), or add machines to it first"
            )
            raise ClusterError(message)
        return RayWorkers(task, workers=workers, cpus=self.cpus)

"""The Ray cluster: connect to it, count the workers that it has room for, and read a process's CPUs."""

from __future__ import annotations

import logging
import os
import socket
from contextlib import contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import grpc  # type: ignore[import-untyped]
import ray

from embed_plugin.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Iterator

_PROBE_SECONDS = 5
_NO_ADDRESS = ("", "auto", "local")
"""Values of RAY_ADDRESS that have Ray look for a cluster on this machine, or start one."""


@contextmanager
def connected() -> Iterator[None]:
    """Connect to a Ray cluster, and disconnect in the end; an existing connection is used and kept.

    It is the cluster at ``RAY_ADDRESS``; without that, the one that ``ray start`` started on this machine; else a new
    one of this machine's CPUs, which ends with the connection.

    Raises:
        ClusterError: no cluster answers there.
    """
    if ray.is_initialized():
        yield
        return
    address = os.environ.get("RAY_ADDRESS", "")
    _check_address(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    try:
        ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
    except (ConnectionError, RuntimeError, ValueError) as error:
        raise ClusterError(_unreachable(address or "the address in Ray's own files", error)) from error
    try:
        yield
    finally:
        ray.shutdown()


def room_for(cpus: int) -> int:
    """The number of workers with so many CPUs that fit on the cluster's machines, busy or not."""
    machines = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    return sum(int(resources.get("CPU", 0)) // cpus for resources in machines)


def assigned_cpus() -> int | None:
    """The CPUs that Ray assigned to this process, at least one; None outside a Ray worker."""
    if not ray.is_initialized() or (context := ray.get_runtime_context()).worker.mode != ray.WORKER_MODE:
        return None
    return max(1, int(context.get_assigned_resources().get("CPU", 1)))


def _check_address(address: str) -> None:
    """Raise ClusterError at once if nothing listens at the address; Ray itself would retry for minutes."""
    if address in _NO_ADDRESS:
        return
    place = urlsplit(address if "://" in address else f"//{address}")
    try:
        with socket.create_connection((place.hostname or "", place.port or 0), timeout=_PROBE_SECONDS):
            pass
    except (OSError, ValueError) as error:
        raise ClusterError(_unreachable(address, error)) from error
    if os.environ.get("RAY_USE_TLS", "0") == "0" and not _speaks_grpc(place.netloc):
        raise ClusterError(_unreachable(address, "something listens there, but is no Ray"))


def _speaks_grpc(address: str) -> bool:
    with grpc.insecure_channel(address) as channel:
        try:
            grpc.channel_ready_future(channel).result(timeout=_PROBE_SECONDS)
        except grpc.FutureTimeoutError:
            return False
        return True


def _unreachable(address: str, error: Exception | str) -> str:
    return (
        f"no Ray cluster answers at {address} ({error}). Set RAY_ADDRESS to HOST:PORT of its head, as  "
        "ray start --head  says it, or leave it unset for this machine's CPUs"
    )

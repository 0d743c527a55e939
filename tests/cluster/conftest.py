"""A Ray cluster on this machine, as of two machines with two CPUs each."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def cluster() -> Iterator[Any]:
    """A ``ray.cluster_utils.Cluster``; this process is connected to it."""
    ray = pytest.importorskip("ray", reason="needs the extra dev-cluster: make test-cluster")
    from ray.cluster_utils import Cluster  # noqa: PLC0415 - where Ray is installed

    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parents[1]), prepend=os.pathsep)  # the workers import from here
        started = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "include_dashboard": False})
        started.add_node(num_cpus=2)
        ray.init(started.address, log_to_driver=False)
        yield started
        ray.shutdown()
        started.shutdown()


@pytest.fixture
def address(cluster: Any) -> str:  # noqa: ANN401 - Ray's
    """Where the cluster's head answers."""
    return str(cluster.address)

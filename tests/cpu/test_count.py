from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from embed_plugin.cpu.count import available_workers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def eight_cpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


@pytest.mark.usefixtures("eight_cpus")
@pytest.mark.parametrize(
    ("files", "membership", "workers"),
    [
        ({}, "", 8),
        ({"cpu.max": "200000 100000\n"}, "0::/", 2),
        ({"cpu.max": "150000 100000\n"}, "0::/", 2),
        ({"cpu.max": "max 100000\n"}, "0::/", 8),
        ({"cpu.max": "50000 100000\n"}, "0::/", 1),
        (
            {"cpu.max": "max 100000\n", "a/cpu.max": "300000 100000\n", "a/b/cpu.max": "max 100000"},
            "0::/a/b",
            3,
        ),
        ({"cpu/cpu.cfs_quota_us": "400000\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/", 4),
        ({"cpu/cpu.cfs_quota_us": "-1\n", "cpu/cpu.cfs_period_us": "100000\n"}, "4:cpu,cpuacct:/", 8),
    ],
)
def test_affinity_and_quota_decide(tmp_path: Path, files: dict[str, str], membership: str, workers: int) -> None:
    for name, content in files.items():
        (tmp_path / "root" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "root" / name).write_text(content)
    (tmp_path / "membership").write_text(membership)
    assert available_workers(tmp_path / "root", tmp_path / "membership") == workers


def test_this_process_has_at_least_one() -> None:
    assert available_workers() >= 1

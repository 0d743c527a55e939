"""Count the CPUs this process may use, by its affinity and its cgroup's quota, not the host's core count."""

from __future__ import annotations

import math
import os
from pathlib import Path


def available_workers(cgroup_root: Path = Path("/sys/fs/cgroup"), membership: Path = Path("/proc/self/cgroup")) -> int:
    """Return the number of CPUs this process may use, at least one; a quota of 1.5 CPUs counts as two."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    quota = _cgroup_quota(cgroup_root, membership)
    return max(1, min(allowed, math.ceil(quota))) if quota else allowed


def _cgroup_quota(root: Path, membership: Path) -> float | None:
    """Return the smallest quota from this process's cgroup up to the root, in CPUs; None if there is none."""
    quotas = [quota for folder in _cgroup_folders(root, membership) if (quota := _quota_of(folder)) is not None]
    return min(quotas, default=None)


def _cgroup_folders(root: Path, membership: Path) -> list[Path]:
    folders = [root, root / "cpu"]
    for line in _read(membership).splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers and "cpu" not in controllers.split(","):
            continue
        own = (root / "cpu" if controllers else root) / path.lstrip("/")
        folders += [own, *own.parents]
    return folders


def _quota_of(folder: Path) -> float | None:
    """Read ``cpu.max`` (cgroup v2), or ``cpu.cfs_quota_us`` over ``cpu.cfs_period_us`` (v1)."""
    quota, _, period = _read(folder / "cpu.max").strip().partition(" ")
    if not quota:
        quota, period = (_read(folder / f"cpu.cfs_{name}_us").strip() for name in ("quota", "period"))
    if not quota.isdigit() or not period.isdigit() or int(period) == 0:
        return None
    return int(quota) / int(period)


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""

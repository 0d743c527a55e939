"""Steps on a small disk of their own: ``small_disk.py FOLDER MEGABYTES STEPS``, run by ``on_small_disk``.

A step is a command line, the number of bytes to leave free, or null to free the disk again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import pytest

if TYPE_CHECKING:
    from collections.abc import Sequence

Step: TypeAlias = "Sequence[str] | int | None"
_NAMESPACE = ("unshare", "--user", "--map-root-user", "--mount")


class Done(NamedTuple):
    """The end of a command: its exit status (negative: the signal that ended it) and what it wrote."""

    status: int
    stdout: str
    stderr: str


def on_small_disk(folder: Path, megabytes: int, *steps: Step, timeout: float) -> list[Done]:
    """Mount a file system in memory on a folder, in a namespace of its own, and take the steps there."""
    if shutil.which("unshare") is None:
        pytest.skip("needs the program unshare, of Linux")
    folder.mkdir()
    given = [*_NAMESPACE, sys.executable, __file__, str(folder), str(megabytes), json.dumps(steps)]
    done = subprocess.run(given, capture_output=True, text=True, check=False, timeout=timeout)
    if done.returncode:
        pytest.skip(f"the kernel gives no file system of our own: {done.stderr.strip()[-200:]}")
    return [Done(*one) for one in json.loads(done.stdout)]


def _take(folder: Path, step: Step) -> Done | None:
    filler = folder / "filler"
    if step is None or isinstance(step, int):
        filler.unlink(missing_ok=True)
        if step is not None:
            with filler.open("wb") as file:
                os.posix_fallocate(file.fileno(), 0, max(1, shutil.disk_usage(folder).free - step))
        return None
    done = subprocess.run(step, capture_output=True, text=True, check=False, cwd=folder.parent)
    return Done(done.returncode, done.stdout, done.stderr)


def main() -> None:
    """Mount the disk, take the steps, and write the ends of the commands as JSON."""
    folder, megabytes, steps = Path(sys.argv[1]), sys.argv[2], json.loads(sys.argv[3])
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]  # no other kind may be mounted
    subprocess.run(mount, check=True)
    done = [_take(folder, step) for step in steps]
    print(json.dumps([one for one in done if one is not None]))  # noqa: T201 - the result


if __name__ == "__main__":
    main()

"""Child processes that never outlive a test that fails."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Iterator


@contextmanager
def killed_on_failure(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Wait for the process when the block ends, and kill it first if the block failed.

    ``with subprocess.Popen(...)`` alone waits for ever for a server that a failed assertion left running.
    """
    with process:
        try:
            yield process
        except BaseException:
            process.kill()
            raise

"""Signals sent to a run in a process of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest

from cli.test_ingest_and_search import command
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

LINE = json.dumps({"text": "the cat sat on the mat", "note": "a pipe holds few of these " * 8}) + "\n"
TWO_WINDOWS = 1100
MORE_THAN_A_PIPE_HOLDS = 300


def start(model: Path, target: Path) -> subprocess.Popen[str]:
    """Start a run that reads two windows from stdin and waits for more."""
    arguments = command("ingest", "-", "--model", model, "--to", target, "--collection", "notes")
    process = subprocess.Popen(
        arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdin
    process.stdin.write(LINE * TWO_WINDOWS)
    process.stdin.flush()
    return process


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_stores_what_is_under_way_and_says_how_to_go_on(
    tiny_model: Callable[..., Path], tmp_path: Path, number: signal.Signals, code: int
) -> None:
    process = start(tiny_model(), tmp_path / "qdrant")
    assert process.stdin
    while not (tmp_path / "qdrant" / "collection").exists():
        assert process.poll() is None
        time.sleep(0.01)
    process.stdin.write(LINE * MORE_THAN_A_PIPE_HOLDS)
    process.stdin.flush()  # it has taken the first lines
    process.send_signal(number)
    _, stderr = process.communicate()
    assert process.returncode == code
    stopping, stopped = stderr.splitlines()
    assert stopping == "Stopping when what is under way is stored. Once more: at once."
    stored = int(stopped.split()[1].replace(",", ""))
    assert stored % 512 == 0
    assert stopped.endswith(" records are stored. Run the same command again to go on.")
    arguments = ("--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes", "--json", "-")
    again = json.loads(run("ingest", "-", *arguments, stdin=LINE * (TWO_WINDOWS + MORE_THAN_A_PIPE_HOLDS)).stdout)
    assert again["unchanged"] == stored

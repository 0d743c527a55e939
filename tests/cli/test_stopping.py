"""Signals sent to a run in a process of its own."""

from __future__ import annotations

import ctypes
import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import typer

from cli.test_ingest_and_search import command
from conftest import HANG_SECONDS
from embed_plugin.cli.stopping import stoppable
from support.command_line import run
from support.processes import killed_on_failure
from support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable

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
    stopping, stopped = (line for line in stderr.splitlines() if not line.startswith("ingest: "))
    assert stopping == "Stopping when what is under way is stored. Once more: at once."
    stored = int(stopped.split()[1].replace(",", ""))
    assert stored % 512 == 0
    assert stopped.endswith(" records are stored. Run the same command again to go on.")
    arguments = ("--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes", "--json", "-")
    again = json.loads(run("ingest", "-", *arguments, stdin=LINE * (TWO_WINDOWS + MORE_THAN_A_PIPE_HOLDS)).stdout)
    assert again["unchanged"] == stored


NATIVE_CALL = """
from collections import deque
from functools import partial
from itertools import chain, repeat
from embed_plugin.cli.stopping import stoppable
with stoppable():
    started = map(partial(print, flush=True), ["started"])
    deque(chain(started, repeat(1, 10**15)), maxlen=0)  # one call of C, which looks for no signal
"""
IN_PYTHON = """
import time
from embed_plugin.cli.stopping import stoppable
with stoppable():
    try:
        print("started", flush=True)
        time.sleep(10**6)
    finally:
        time.sleep(10**6)  # what is under way
"""


@pytest.mark.skipif(not hasattr(ctypes.CDLL(None), "sysv_signal"), reason="the C library has no one-shot handlers")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_second_signal_ends_a_process_whose_native_call_does_not_return(number: signal.Signals) -> None:
    process = subprocess.Popen([sys.executable, "-c", NATIVE_CALL], stdout=subprocess.PIPE, text=True)
    with killed_on_failure(process):
        assert process.stdout
        process.stdout.readline()
        process.send_signal(number)
        while is_pending(process):  # two pending signals of a kind would be one
            time.sleep(0.01)
        process.send_signal(number)
        assert process.wait(HANG_SECONDS) == -number


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_exit_code_is_that_of_the_signal(number: signal.Signals) -> None:
    with pytest.raises(typer.Exit) as end, stoppable("Stopping"):
        signal.raise_signal(number)
    assert end.value.exit_code == 128 + number


@pytest.mark.parametrize("numbers", [(signal.SIGINT, signal.SIGTERM), (signal.SIGTERM, signal.SIGINT)])
def test_the_second_signal_may_be_another(numbers: tuple[signal.Signals, signal.Signals]) -> None:
    process = subprocess.Popen(
        [sys.executable, "-c", IN_PYTHON], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    with killed_on_failure(process):
        assert process.stdout
        assert process.stderr
        process.stdout.readline()
        process.send_signal(numbers[0])
        process.stderr.readline()  # Python has handled it
        process.send_signal(numbers[1])
        assert process.wait(HANG_SECONDS) == -numbers[1]


def test_a_command_that_stores_nothing_says_what_was_done(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    arguments = command("encode", tiny_model(), "--out", tmp_path / "vectors.npy")
    process = subprocess.Popen(arguments, stdin=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    with killed_on_failure(process):
        assert process.stderr
        assert process.stderr.readline() == "encode: 0:00:01 elapsed\n"  # stdin has nothing yet
        process.send_signal(signal.SIGTERM)
        assert process.stderr.read() == "Stopping. Once more: at once.\nStopped.\n"
        assert process.wait(HANG_SECONDS) == 143
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_on_a_terminal_what_a_signal_says_has_lines_of_its_own(
    tiny_model: Callable[..., Path], tmp_path: Path, number: signal.Signals
) -> None:
    arguments = command("ingest", "-", "--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes")
    with Terminal() as terminal:
        process = terminal.start(*arguments)
        with killed_on_failure(process):
            assert process.stdin
            process.stdin.write(LINE * TWO_WINDOWS)
            process.stdin.flush()
            terminal.read_until("elapsed")
            process.send_signal(number)
            shown = terminal.read_to_the_end()
    assert process.returncode == 128 + number
    assert "\r\x1b[2K\x1b[?25hStopping when what is under way is stored. Once more: at once.\r\n" in shown
    *_, last = shown.splitlines()
    assert last.rsplit("\x1b[2K")[-1].startswith("Stopped: ")
    assert shown.rindex("\x1b[?25h") < shown.index("Stopped: ")  # the bar is gone, and the cursor is there


def is_pending(process: subprocess.Popen[str]) -> bool:
    status = Path(f"/proc/{process.pid}/status").read_text()
    return any(int(line.split()[1], 16) for line in status.splitlines() if line.startswith(("SigPnd", "ShdPnd")))


def test_windows_has_no_library_of_the_whole_process(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: None) -> None:
        raise TypeError("argument of type 'NoneType' is not iterable")

    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(ctypes, "CDLL", refuse)
    with pytest.raises(typer.Exit) as end, stoppable("Stopping"):
        signal.raise_signal(signal.SIGTERM)
    assert end.value.exit_code == 143

from __future__ import annotations

import logging
import re
import signal
import sys
from threading import Semaphore
from typing import TYPE_CHECKING

import pytest

from cli.test_ingest_and_search import command
from conftest import HANG_SECONDS
from embed_plugin.cli.reports.ingest import run_progress
from embed_plugin.cli.reports.progress import Amount, Clock, shown_progress
from embed_plugin.cli.stopping import Stopped
from embed_plugin.ingest import RecordReader, long_steps
from support.command_line import run
from support.processes import killed_on_failure
from support.terminal import Terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from threading import Event


class SteppedClock(Clock):
    """Time that passes when a test says so."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._waiting, self._steps = Semaphore(0), Semaphore(0)

    def now(self) -> float:
        return self._seconds

    def wait(self, event: Event, seconds: float) -> bool:
        self._waiting.release()
        while not self._steps.acquire(timeout=0.01):
            if event.is_set():
                return True
        self._seconds += seconds
        return False

    def step(self) -> None:
        """Let the time pass that is waited for, and return at the next wait."""
        assert self._waiting.acquire(timeout=HANG_SECONDS)
        self._steps.release()
        assert self._waiting.acquire(timeout=HANG_SECONDS)
        self._waiting.release()


def test_a_line_comes_at_once_and_then_every_ten_seconds(capsys: pytest.CaptureFixture[str]) -> None:
    clock = SteppedClock()
    with shown_progress("verify", quiet=False, clock=clock) as show:
        for done in range(100):
            show(Amount(done, 5000, "point"))
        clock.step()  # the second without an amount
        for done in (1200, 2400):
            show(Amount(done, 5000, "point"))
            clock.step()
    stdout, stderr = capsys.readouterr()
    assert stdout == ""
    assert stderr.splitlines() == [
        "verify: 0 of 5,000 points",
        "verify: 1,200 of 5,000 points, 120 points/s, 0:00:10 elapsed, 0:00:31 left",
        "verify: 2,400 of 5,000 points, 120 points/s, 0:00:20 elapsed, 0:00:21 left",
    ]


def test_without_an_amount_the_line_comes_after_a_second(capsys: pytest.CaptureFixture[str]) -> None:
    clock = SteppedClock()
    with shown_progress("ingest", quiet=False, first=Amount(0, 2_500_000, "byte"), clock=clock):
        clock.step()
        clock.step()
    assert capsys.readouterr().err.splitlines() == [
        "ingest: 0 bytes of 2.5 MB, 0:00:01 elapsed",
        "ingest: 0 bytes of 2.5 MB, 0:00:11 elapsed",
    ]


def test_a_step_has_a_rate_of_its_own_and_names_are_escaped(capsys: pytest.CaptureFixture[str]) -> None:
    clock = SteppedClock()
    with shown_progress("export", quiet=False, clock=clock) as show:
        show(Amount(step="fetch\x1b[31m"))
        clock.step()
        show(Amount(100, 100, "text", "calibrate"))
        show(Amount(50, 512, "text", "gate"))
        clock.step()
    assert capsys.readouterr().err.splitlines() == [
        "export: fetch\\x1b[31m",
        "export: gate, 50 of 512 texts, 5.6 texts/s, 0:00:10 elapsed, 0:01:23 left",
    ]


def test_the_rate_is_that_of_the_last_minute(capsys: pytest.CaptureFixture[str]) -> None:
    """Records that a repeated run passes over say nothing about those to come."""
    clock = SteppedClock()
    with shown_progress("ingest", quiet=False, clock=clock) as show:
        clock.step()
        show(Amount(100_000, 101_000, "record"))
        for done in range(8):
            clock.step()
            show(Amount(100_000 + 10 * done, 101_000, "record"))
    last = capsys.readouterr().err.splitlines()[-1]
    assert "1.0 records/s" in last


def test_stopped_work_says_what_was_done(capsys: pytest.CaptureFixture[str]) -> None:
    def stop(*, quiet: bool) -> None:
        with shown_progress("verify", quiet=quiet) as show:
            show(Amount(1200, 5000, "point"))
            raise Stopped(signal.SIGTERM)

    for quiet in (False, True):
        with pytest.raises(Stopped):
            stop(quiet=quiet)
    assert capsys.readouterr().err.splitlines() == [
        "verify: 1,200 of 5,000 points",
        "Stopped: 1,200 of 5,000 points.",
        "Stopped: 1,200 of 5,000 points.",
    ]


def test_what_fails_at_once_is_one_line(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    place = ("--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes")
    for arguments in (("verify", *place), ("migrate", *place), ("encode", tiny_model(), "--text-field", "body")):
        done = run(*arguments, stdin='{"text": "the cat"}\n')
        assert (done.returncode, done.stderr.count("\n"), done.stderr[:14]) == (1, 1, "embed-plugin: ")


def test_quiet_shows_messages_alone(tiny_model: Callable[..., Path], tmp_path: Path) -> None:
    place = ("--model", tiny_model(), "--to", tmp_path / "qdrant", "--collection", "notes", "--quiet")
    lines = '{"text": "the cat"}\nno JSON\n'
    rejected = run("ingest", "-", *place, "--rejected", tmp_path / "rejected.jsonl", stdin=lines)
    assert all(line.startswith("embed-plugin: ") for line in rejected.stderr.splitlines())
    assert "rejected" in rejected.stderr
    for name in ("verify", "adopt", "migrate"):
        done = run(name, *place)
        assert (done.returncode, done.stderr) == (0, "")
    assert run("encode", tiny_model(), "--quiet", stdin="the cat\n").stderr.startswith("1 text in ")


@pytest.mark.parametrize("quiet", [False, True])
def test_what_takes_long_is_named_unless_quiet(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, *, quiet: bool
) -> None:
    logger = logging.getLogger(long_steps.__name__)
    with run_progress(RecordReader([tmp_path]), dry_run=False, quiet=quiet):
        logger.warning("'a' takes long")
    assert caplog.messages == [] if quiet else ["'a' takes long"]
    assert not logger.disabled


def test_on_a_terminal_there_is_a_bar_and_stdout_has_the_vectors_alone(tiny_model: Callable[..., Path]) -> None:
    with Terminal() as terminal, killed_on_failure(terminal.start(*command("encode", tiny_model()))) as process:
        assert process.stdin
        process.stdin.write("the cat\n")
        process.stdin.flush()
        terminal.read_until("elapsed")
        process.stdin.close()
        shown = terminal.read_to_the_end()
        assert process.stdout
        assert re.fullmatch(r"\[[^\[\]]+\]\n", process.stdout.read())
    assert shown.rsplit("\x1b[2K")[-1].startswith("1 text in ")  # the bar is erased


@pytest.mark.parametrize(("variable", "value"), [("TERM", "dumb"), ("TERM", "unknown")])
def test_a_terminal_without_a_cursor_has_lines(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    with shown_progress("verify", quiet=False) as show:
        show(Amount(3, unit="point"))
    assert capsys.readouterr().err == "verify: 3 points\n"

"""Progress of long work on stderr: a bar on a terminal, elsewhere a line at once and then every ten seconds.

The first line comes with the first amount, or after a second without one. So what fails at once is one line, the error.
"""

from __future__ import annotations

import sys
import time
from collections import deque
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Protocol

from rich.console import Console
from rich.filesize import decimal
from rich.progress import BarColumn, Progress, TextColumn

from embed_plugin.cli.printable import count_of, printable
from embed_plugin.cli.stopping import Stopped

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

FIRST_LINE_SECONDS, LINE_SECONDS = 1.0, 10.0
_BAR_SECONDS = 0.1
_PACE_SECONDS = 60.0
"""Time that rate and remaining time are computed from. What a repeated run passes over first is soon out of it."""


@dataclass(frozen=True)
class Amount:
    """Work done so far.

    Attributes:
        done: The amount; 0 if it is not counted.
        total: The whole; None if that is not known.
        unit: Unit of the two, in the singular, as in ``point``.
        step: The step that they are of, if there are several.
        note: More about it.
        rate: The rate in words; None if it is that of ``done``.
    """

    done: float = 0
    total: float | None = None
    unit: str = ""
    step: str = ""
    note: str = ""
    rate: str | None = None


class Clock:
    """Monotonic time."""

    def now(self) -> float:
        """Return the seconds."""
        return time.monotonic()

    def wait(self, event: Event, seconds: float) -> bool:
        """Wait for an event, at most that long; return whether it came."""
        return event.wait(seconds)


@contextmanager
def shown_progress(
    doing: str,
    *,
    quiet: bool,
    first: Amount | None = None,
    stopped: Callable[[Amount], str] | None = None,
    clock: Clock | None = None,
) -> Iterator[Callable[[Amount], None]]:
    """Show progress on stderr while the block runs, and say what was done when a signal stops it.

    The yielded function takes each new amount, which costs nothing: another thread looks at the last one now and then,
    also while one call of a step takes minutes.

    Args:
        doing: The work.
        quiet: Show nothing, unless it is stopped.
        first: The amount before anything is done.
        stopped: Turns the last amount into what is said of it when stopped; None: the amount itself.
        clock: Time.
    """
    pace = _Pace(first or Amount(), clock or Clock())
    try:
        if quiet:
            yield pace.take
        else:
            with _Shown(_drawing(doing), pace).running() as take:
                yield take
    except Stopped:
        said = (stopped or done_so_far)(pace.amount)
        sys.stderr.write(printable(f"Stopped: {said}" if said else "Stopped") + ".\n")
        raise


def done_so_far(amount: Amount) -> str:
    """The amount in words, of how much if that is known: ``calibrate, 3 of 512 texts``."""
    whole = f" of {_count(amount.total, amount.unit)}" if amount.total else ""
    counted = amount.done or amount.total
    done = f"{_count(amount.done, '' if whole and amount.unit != 'byte' else amount.unit)}{whole}" if counted else ""
    return ", ".join(part for part in (amount.step, done, amount.note) if part)


class _Pace:
    """The last amount, with rate and remaining time from those of the last minute."""

    def __init__(self, first: Amount, clock: Clock) -> None:
        self.clock = clock
        self.amount = first
        self._started = clock.now()
        self._seen = deque([(self._started, first.done)])

    def take(self, amount: Amount) -> None:
        """Take a new amount; with another step the rate begins anew."""
        if amount.step != self.amount.step:
            self._seen = deque([(self.clock.now(), 0.0)])
        self.amount = amount

    def words(self) -> str:
        """The amount with rate, elapsed and remaining time."""
        amount, seen, now = self.amount, self._seen, self.clock.now()
        seen.append((now, amount.done))
        while len(seen) > 2 and seen[1][0] <= now - _PACE_SECONDS:  # noqa: PLR2004 - the first and the last
            seen.popleft()
        (since, before), seconds = seen[0], now - self._started
        rate = (amount.done - before) / (now - since) if now - since >= 1 else 0.0
        parts = [done_so_far(amount), amount.rate if amount.rate is not None else _rate(rate, amount.unit)]
        parts.append(f"{_duration(seconds)} elapsed" if seconds >= 1 else "")
        if amount.total and rate > 0:
            parts.append(f"{_duration(max(0.0, amount.total - amount.done) / rate)} left")
        return ", ".join(part for part in parts if part)


class _Drawing(Protocol):
    """A way to show progress."""

    first_seconds: float
    seconds: float

    def draw(self, amount: Amount, words: str) -> None: ...

    def close(self) -> None: ...


class _Lines:
    """Plain lines."""

    first_seconds = FIRST_LINE_SECONDS
    seconds = LINE_SECONDS

    def __init__(self, doing: str) -> None:
        self._doing = doing

    def draw(self, amount: Amount, words: str) -> None:
        """Write a line; an amount without words has just begun."""
        del amount
        sys.stderr.write(printable(f"{self._doing}: {words or 'started'}") + "\n")

    def close(self) -> None:
        """Leave the lines as they are."""


class _Bar:
    """A bar, which is erased at the end. stdout stays as it is: rich would write it to the bar's terminal."""

    first_seconds = 0.0
    seconds = _BAR_SECONDS

    def __init__(self, doing: str, console: Console) -> None:
        columns = (
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TextColumn("{task.fields[words]}", markup=False),
        )
        self._doing = printable(doing)
        self._step = ""
        self._bar = Progress(*columns, console=console, transient=True, auto_refresh=False, redirect_stdout=False)
        self._task = self._bar.add_task(self._doing, total=None, words="")
        self._bar.start()

    def draw(self, amount: Amount, words: str) -> None:
        """Draw the bar anew; another step may have no total, which rich cannot take back."""
        if amount.step != self._step:
            self._step = amount.step
            self._bar.remove_task(self._task)
            self._task = self._bar.add_task(self._doing, total=None, words="")
        self._bar.update(self._task, completed=amount.done, total=amount.total, words=printable(words), refresh=True)

    def close(self) -> None:
        """Erase it."""
        self._bar.stop()


class _Shown:
    """A drawing that follows the amounts: at the first one, and then from a thread."""

    def __init__(self, drawing: _Drawing, pace: _Pace) -> None:
        self._drawing = drawing
        self._pace = pace
        self._has_begun = False
        self._lock = Lock()
        self._ended = Event()

    @contextmanager
    def running(self) -> Iterator[Callable[[Amount], None]]:
        """Follow the amounts that the yielded function takes until the block ends."""
        thread = Thread(target=self._follow, name="progress", daemon=True)
        try:
            thread.start()
            yield self._take
        finally:
            self._ended.set()
            if thread.ident is not None:
                thread.join()
            self._drawing.close()

    def _take(self, amount: Amount) -> None:
        self._pace.take(amount)
        if not self._has_begun:
            self._begin()

    def _begin(self) -> bool:
        """Draw for the first time; return false if that is done."""
        with self._lock:
            if self._has_begun:
                return False
            self._has_begun = True
            self._draw()
            return True

    def _follow(self) -> None:
        wait, drawing = self._pace.clock.wait, self._drawing
        if wait(self._ended, drawing.first_seconds):
            return
        seconds = drawing.seconds if self._begin() else drawing.seconds - drawing.first_seconds
        while not wait(self._ended, seconds):
            self._draw()
            seconds = drawing.seconds

    def _draw(self) -> None:
        with suppress(OSError):  # nobody reads stderr any more
            self._drawing.draw(self._pace.amount, self._pace.words())


def _drawing(doing: str) -> _Drawing:
    console = Console(stderr=True)
    has_bar = sys.stderr.isatty() and console.is_terminal and not console.is_dumb_terminal
    return _Bar(doing, console) if has_bar else _Lines(doing)


def _count(number: float | None, unit: str) -> str:
    number = round(number or 0)
    if unit == "byte":
        return str(decimal(number))
    return count_of(number, unit) if unit else f"{number:,}"


def _rate(rate: float, unit: str) -> str:
    if rate <= 0 or not unit:
        return ""
    few = rate < 10 and unit != "byte"  # noqa: PLR2004
    return f"{rate:.1f} {unit}s/s" if few else f"{_count(rate, unit)}/s"


def _duration(seconds: float) -> str:
    return str(timedelta(seconds=int(seconds)))

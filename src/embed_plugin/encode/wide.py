"""Wide runs: a lone text is run on several idle cores, where that has been faster than on one.

A narrow run has one core, a wide run several, and both give the same bits. A wide run needs a session of its own. It is
opened when lone texts have taken a part of the time that opening takes, so that a program with a few queries does not
pay for it. From then on each size of text is run in the way that has been faster lately: cores that the queue knows to
be idle may be busy for other programs, and then a wide run takes longer than a narrow one.
"""

from __future__ import annotations

import logging
import math
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import EncodingError

if TYPE_CHECKING:
    from collections.abc import Callable

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.types import RunRows

    Run = Callable[[npt.NDArray[np.int64]], RunRows]

MOST_THREADS = 16
"""Most threads of a wide run."""

UNSHARED_THREADS = 8
"""Up to so many cores, a lone text may have all of them; beyond that, half, so that several may be wide at once."""

PATIENCE = 0.25
"""Part of the time that opening takes which lone texts take before it: some 60 queries in INT8, 20 in fp32."""

SIZES_AN_OCTAVE = 8
"""Sizes of text that are timed apart, from one number of tokens to its double."""

GAIN = 0.95
"""A wide run must take less than this share of a narrow one's time: its other cores could do something else."""

FIRST_PAUSE, LONGEST_PAUSE = 8, 64
"""Narrow runs before a wide one is tried again; each trial that fails doubles them."""

WEIGHT = 0.25
"""Weight of a new time in the average of a size's times."""


def most_threads(cores: int) -> int:
    """Return the threads of a wide run on a machine of so many cores; 1 if there is nothing to be wide on."""
    return min(cores, max(UNSHARED_THREADS, min(MOST_THREADS, cores // 2)))


class WideRuns:
    """Runs lone texts narrow or wide, whichever has been faster; may be called by several threads at once."""

    def __init__(
        self,
        narrow: Run,
        open_wide: Callable[[], Run],
        *,
        most_at_once: int,
        opening_seconds: float,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Keep what is needed to open the wide session later.

        Args:
            narrow: Runs token ids ``(n, length)`` on the calling thread.
            open_wide: Opens a session of several threads and returns its run. Called once, from a thread of its own.
            most_at_once: Batches that may run, the wide one included, before cores are too few for its threads.
            opening_seconds: Estimate of the time that opening takes.
            clock: Returns seconds.
        """
        self.most_at_once = most_at_once
        self._narrow = narrow
        self._wide: Run | None = None
        self._open_wide = open_wide
        self._seconds_to_opening = PATIENCE * opening_seconds
        self._clock = clock
        self._lock = threading.Lock()
        self._paces: dict[tuple[int, int], _Pace] = {}

    def run(self, input_ids: npt.NDArray[np.int64]) -> RunRows:
        """Run texts of equal token count, ``(n, length)``, that nothing waits behind.

        Raises:
            InvalidInputError: the engine refuses the ids.
            EncodingError: the graph cannot be run.
        """
        wide = self._choose(input_ids.shape)
        started = self._clock()
        if wide is None:
            rows = self._narrow(input_ids)
        else:
            try:
                rows = wide(input_ids)
            except EncodingError:  # no memory for the other threads, say
                return self._narrow(input_ids)
        self._record(input_ids.shape, self._clock() - started, is_wide=wide is not None)
        return rows

    def _choose(self, shape: tuple[int, ...]) -> Run | None:
        """Return the wide run, or None for a narrow one."""
        with self._lock:
            return self._wide if self._wide is not None and self._pace_of(shape).next_is_wide() else None

    def _record(self, shape: tuple[int, ...], seconds: float, *, is_wide: bool) -> None:
        """Add a run to the times of its size, and open the wide session when it is time to."""
        with self._lock:
            pace = self._pace_of(shape)
            per_token = seconds / (shape[0] * shape[1])
            if is_wide:
                pace.add_wide(per_token)
            else:
                pace.add_narrow(per_token)
            had = self._seconds_to_opening
            self._seconds_to_opening = left = had - seconds
        if had > 0 >= left:
            self._start_opening()

    def _pace_of(self, shape: tuple[int, ...]) -> _Pace:
        texts, length = (int(SIZES_AN_OCTAVE * math.log2(size)) for size in shape)
        return self._paces.setdefault((texts, length), _Pace())

    def _start_opening(self) -> None:
        """Open the wide session beside the calls; where no thread can be started, stay narrow."""
        with suppress(RuntimeError):
            threading.Thread(target=self._open, name="embed-plugin-open").start()

    def _open(self) -> None:
        try:
            self._wide = self._open_wide()
        except Exception as error:  # noqa: BLE001 - narrow runs need no second session, whatever is wrong with it
            logging.getLogger(__name__).info("lone texts stay on one core: %s", error)


@dataclass
class _Pace:
    """The average time of one size's runs, narrow and wide, in seconds a token, and the turns of both."""

    narrow: float = 0.0
    wide: float = 0.0
    pause: int = 0
    narrow_left: int = 1  # before the first wide run, which would have nothing to be compared with

    def next_is_wide(self) -> bool:
        """Choose the next run, and count it."""
        if self.narrow_left:
            self.narrow_left -= 1
            return False
        return True

    def add_narrow(self, seconds: float) -> None:
        """Add a narrow run; one that something held up counts as two at most."""
        self.narrow += WEIGHT * (min(seconds, 2 * self.narrow) - self.narrow) if self.narrow else seconds

    def add_wide(self, seconds: float) -> None:
        """Add a wide run; where they have not been faster, pause them, and forget them: the next one is to decide."""
        self.wide += WEIGHT * (seconds - self.wide) if self.wide else seconds
        if self.wide < GAIN * self.narrow:
            self.pause //= 2
        else:
            self.narrow_left = self.pause = min(LONGEST_PAUSE, max(FIRST_PAUSE, 2 * self.pause))
            self.wide = 0.0

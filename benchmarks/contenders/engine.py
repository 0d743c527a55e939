"""The interface of a contender's file, so that one loop can run them all."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

Settings = dict[str, int | str]
"""The choices that tuning makes for a contender, such as its batch size."""

BATCH_SIZES = (1, 4, 8, 16, 32, 64, 128)

UNTUNED = "untuned"
"""The variant of a family that is not tuned: batches of 32."""


@dataclass(frozen=True)
class Setup:
    """The input of a contender.

    Attributes:
        variant: The way the family runs it.
        checkpoint: The checkpoint folder; its token limit is the benchmark's in every file.
        work: Where prepared models of this checkpoint are kept.
        threads: Threads it may compute with.
    """

    variant: str
    checkpoint: Path
    work: Path
    threads: int


class Engine(Protocol):
    """A contender that is loaded."""

    def candidates(self) -> Sequence[Settings]:
        """The settings to try when tuning, the default first."""

    def use(self, settings: Settings) -> None:
        """Take these settings from now on."""

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors ``(n, dimension)`` in input order."""


class Family(Protocol):
    """A contender's file: importing it imports the library, which is timed."""

    PACKAGES: tuple[str, ...]

    def prepare(self, setup: Setup, texts: list[str]) -> None:
        """Make what loading needs (export, quantise, distil); ``texts`` are there to calibrate with."""

    def load(self, setup: Setup) -> Engine:
        """Load what was prepared."""

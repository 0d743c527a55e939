"""Name a file or record that takes long."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from threading import Timer
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

SECONDS = 5.0
LEAST_LENGTH = 50_000
"""Length below which nothing takes that long, so that small records need no timer."""

_LOG = logging.getLogger(__name__)


@contextmanager
def named_if_long(doing: str, place: str, length: int, unit: str) -> Iterator[None]:
    """Log a warning, which is on stderr by default, when the block has taken five seconds.

    Args:
        doing: The step, as in ``cutting``.
        place: The file or record.
        length: Its length.
        unit: Unit of the length, as in ``characters``.
    """
    if length < LEAST_LENGTH:
        yield
        return
    timer = Timer(SECONDS, _LOG.warning, (f"{place!r} takes long: {doing} {length:,} {unit}",))
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()

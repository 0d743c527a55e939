"""The log: JSON lines on stderr, or readable lines where stderr is a terminal. Texts and keys are never in it."""

from __future__ import annotations

import io
import logging
import sys
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import structlog

if TYPE_CHECKING:
    from typing import TextIO


class Stderr(io.TextIOBase):
    """Standard error, for a log that may be lost: a reader that has gone must not fail requests or hold up the end."""

    def write(self, text: str, /) -> int:
        """Write, if anybody reads."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, if anybody reads."""
        with suppress(OSError):
            sys.stderr.flush()


def configure(level: str) -> None:
    """Send this service's log and uvicorn's to stderr."""
    stderr = Stderr()
    least = getattr(logging, level.upper())
    shared: list[structlog.typing.Processor] = [
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.format_exc_info,
    ]
    renderer = structlog.dev.ConsoleRenderer() if sys.stderr.isatty() else structlog.processors.JSONRenderer()
    structlog.configure(
        processors=[*shared, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(least),
        logger_factory=structlog.WriteLoggerFactory(file=cast("TextIO", stderr)),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, renderer],
        )
    )
    logger = logging.getLogger("uvicorn")
    logger.handlers = [handler]
    logger.propagate = False
    # uvicorn tells of its start and end at the level of info; this service says the same with more to it.
    logger.setLevel(max(least, logging.WARNING))

"""Configures the log: JSON lines on stderr, or readable lines on a terminal, without texts and keys."""

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
    """Standard error that ignores a closed reader: a lost log must neither fail requests nor delay shutdown."""

    def write(self, text: str, /) -> int:
        """Write, or drop the text where the reader is closed."""
        with suppress(OSError):
            sys.stderr.write(text)
        return len(text)

    def flush(self) -> None:
        """Flush, unless the reader is closed."""
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
    # uvicorn logs start and end at info level; this service logs the same with more detail.
    logger.setLevel(max(least, logging.WARNING))

"""Configures the log: JSON lines on stderr, or readable lines on a terminal, without texts and keys."""

from __future__ import annotations

import io
import logging
import sys
import traceback
from contextlib import suppress
from typing import TYPE_CHECKING, cast

import structlog

from embed_plugin.errors import EmbedPluginError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import MutableMapping
    from typing import Any, TextIO

LOG = structlog.get_logger("embed_plugin.serve")

FOREIGN_LOGGERS = ("uvicorn", "asyncio", "concurrent.futures")
"""Loggers of what this service runs on, which write exceptions that nobody caught."""


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
        _leave_values_out,
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
    for name in FOREIGN_LOGGERS:
        logger = logging.getLogger(name)
        logger.handlers = [handler]
        logger.propagate = False
        # uvicorn logs start and end at info level; this service logs the same with more detail.
        logger.setLevel(max(least, logging.WARNING))


def log_loop_failure(_loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Log an exception that nobody awaits, without the event loop's message, which quotes arguments and results."""
    error = context.get("exception")
    details = {} if error is None else {"traceback": traceback_without_values(error)}
    LOG.error("a task failed", **details)


def traceback_without_values(error: BaseException) -> str:
    """Format the classes and stack frames of an exception and its causes, oldest first, without values.

    Local variables are left out: structlog's default, which applies where :func:`configure` was not called, prints
    those of every frame. So are messages, except this package's own: others may quote a text.
    """
    chain: list[str] = []
    link: BaseException | None = error
    seen: set[int] = set()
    while link is not None and id(link) not in seen:
        seen.add(id(link))
        message = f": {link}" if isinstance(link, EmbedPluginError) else ""
        chain.append(f"{''.join(traceback.format_tb(link.__traceback__))}{type(link).__qualname__}{message}")
        link = link.__cause__ or (None if link.__suppress_context__ else link.__context__)
    return "\n\n".join(reversed(chain))


def _leave_values_out(_logger: object, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """Replace the exception of a log call with its traceback without values."""
    error = event.pop("exc_info", None)
    if isinstance(error, tuple):
        error = error[1]
    elif error is True:
        error = sys.exc_info()[1]
    if isinstance(error, BaseException):
        event["traceback"] = traceback_without_values(error)
    return event

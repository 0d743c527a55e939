"""Runs the service in one process: listens, handles signals, and drains before it ends."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
from typing import TYPE_CHECKING

import structlog
import uvicorn

from embed_plugin.errors import InvalidInputError, ServiceError
from embed_plugin.serve.app import create_app
from embed_plugin.serve.http_protocol import GuardedProtocol
from embed_plugin.serve.keys import Keys
from embed_plugin.serve.settings import ServeSettings

if TYPE_CHECKING:
    from types import FrameType

    from fastapi import FastAPI

    from embed_plugin.encode import Encoder
    from embed_plugin.serve.lifecycle import Lifecycle

DRAINING_SECONDS = 1.0
"""Time for which new requests are refused before the socket is closed, so that a client whose connection the system has
accepted, but not yet this process, gets a response."""

KEEP_ALIVE_SECONDS = 75
"""Time limit of an idle connection. Longer than that of clients and proxies (5 to 60 s), so that they close it and no
request is sent into a connection that this service has just closed."""

BACKLOG = 1024
LOG = structlog.get_logger("embed_plugin.serve")


class DrainingServer(uvicorn.Server):
    """A server that drains on SIGTERM and Ctrl-C, and stops at once on the second signal."""

    def __init__(self, config: uvicorn.Config, lifecycle: Lifecycle) -> None:
        super().__init__(config)
        self._lifecycle = lifecycle

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal. uvicorn would raise it again at the end, but a drained service has ended well.

        This runs between any two steps of the main thread, which may hold a lock that draining needs, such as the
        log's, so draining is left to the event loop.
        """
        del frame
        asyncio.get_running_loop().call_soon_threadsafe(self._drain, sig)

    def _drain(self, sig: int) -> None:
        if self._lifecycle.phase == "draining":
            self.force_exit = self.should_exit = True
            return
        self._lifecycle.drain()
        LOG.info("draining", signal=signal.Signals(sig).name, seconds=self.config.timeout_graceful_shutdown)
        asyncio.get_running_loop().call_later(DRAINING_SECONDS, self._stop_listening)

    def _stop_listening(self) -> None:
        self.should_exit = True


def run(encoder: Encoder, settings: ServeSettings | None = None, *, keys: Keys | None = None) -> None:
    """Serve an encoder until SIGTERM or Ctrl-C.

    Raises:
        InvalidInputError: the address is public and there is no key.
        ServiceError: the address cannot be listened on.
    """
    settings, keys = settings or ServeSettings(), keys or Keys()
    if settings.is_public and not keys and not settings.public_without_key:
        found = f"{settings.host} can be reached from other machines, and there is no key"
        raise InvalidInputError(
            f"{found}: give one with --keys-file, or --public-without-key where a proxy asks for it"
        )
    # Texts are tokenised on this service's own two threads, not on a pool that one large request fills.
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    app = create_app(encoder, settings, keys=keys)
    with listen(settings) as listener:
        address = listener.getsockname()
        LOG.info("listening", host=address[0], port=address[1], model=app.state.service.model.name, keys=bool(keys))
        make_server(app, settings).run(sockets=[listener])
    LOG.info("stopped")


def make_server(app: FastAPI, settings: ServeSettings) -> DrainingServer:
    """Make the server of an application, to run with a socket of :func:`listen`."""

    class Protocol(GuardedProtocol):
        head_seconds = settings.receive_seconds

    config = uvicorn.Config(
        app,
        http=Protocol,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=int(settings.drain_seconds),
        backlog=BACKLOG,
    )
    return DrainingServer(config, app.state.service.lifecycle)


def listen(settings: ServeSettings) -> socket.socket:
    """Open a listening socket.

    Raises:
        ServiceError: the address is taken or not this machine's.
    """
    family = socket.AF_INET6 if ":" in settings.host else socket.AF_INET
    try:
        return socket.create_server((settings.host, settings.port), family=family, backlog=BACKLOG)
    except OSError as error:
        where = f"{settings.host}:{settings.port}"
        raise ServiceError(f"cannot listen on {where} ({error.strerror}): choose another --host or --port") from error

"""Runs the service in one process: listens, handles signals, and drains before it ends."""

from __future__ import annotations

import asyncio
import math
import os
import signal
import socket
import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING

import structlog
import uvicorn

from embed_plugin.errors import EmbedPluginError, InvalidInputError, ServiceError
from embed_plugin.serve.app import create_app
from embed_plugin.serve.connections.watch import KEEP_ALIVE_SECONDS, ConnectionWatch
from embed_plugin.serve.keys import Keys
from embed_plugin.serve.settings import ServeSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from types import FrameType

    from fastapi import FastAPI
    from starlette.datastructures import State

    from embed_plugin.encode.text_model import TextModel
    from embed_plugin.serve.lifecycle import Lifecycle

DRAINING_SECONDS = 1.0
"""Time for which new requests are refused before the socket is closed, so that a client whose connection the system has
accepted, but not yet this process, gets a response."""

BACKLOG = 1024
_HANGUP = (signal.SIGHUP,) if hasattr(signal, "SIGHUP") else ()
LOG = structlog.get_logger("embed_plugin.serve")


class DrainingServer(uvicorn.Server):
    """A server that drains on SIGTERM and Ctrl-C, stops at once on the second signal, and reads its keys on SIGHUP."""

    def __init__(self, config: uvicorn.Config, state: State, *, watch: ConnectionWatch, drain_delay: float) -> None:
        super().__init__(config)
        self._lifecycle: Lifecycle = state.service.lifecycle
        self._keys: Keys = state.keys
        self.watch = watch
        self._drain_delay = drain_delay

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Listen, and watch the connections."""
        await super().startup(sockets)
        self._watching = asyncio.create_task(self.watch.run())

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Handle signals while it runs, where it runs in the main thread."""
        if not _HANGUP or threading.current_thread() is not threading.main_thread():
            with super().capture_signals():
                yield
            return
        before = [signal.signal(sig, self.handle_hangup) for sig in _HANGUP]
        try:
            with super().capture_signals():
                yield
        finally:
            for sig, handler in zip(_HANGUP, before, strict=True):
                signal.signal(sig, handler)

    def handle_hangup(self, sig: int, frame: FrameType | None) -> None:
        """Read the keys again, from the event loop for the reason that :meth:`handle_exit` has."""
        del sig, frame
        asyncio.get_running_loop().call_soon_threadsafe(self._reload_keys)

    def _reload_keys(self) -> None:
        try:
            self._keys.reload()
        except EmbedPluginError as error:
            LOG.error("the keys stay as they are", problem=str(error))  # noqa: TRY400 - the message says it all
        else:
            LOG.info("keys read again")

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """Handle a signal. uvicorn would raise it again at the end, but a drained service has ended well.

        This runs between any two steps of the main thread, which may hold a lock that draining needs, such as the
        log's, so draining is left to the event loop.
        """
        del frame
        asyncio.get_running_loop().call_soon_threadsafe(self._drain, sig)

    def _drain(self, sig: int) -> None:
        if self._lifecycle.is_ending:
            self.force_exit = self.should_exit = True
            return
        # Ctrl-C is of somebody who waits for the prompt; no load balancer stands behind it.
        delay = self._drain_delay if sig == signal.SIGTERM else 0
        self._lifecycle.leave()
        seconds = self.config.timeout_graceful_shutdown
        LOG.info("draining", signal=signal.Signals(sig).name, delay=delay, seconds=seconds)
        asyncio.get_running_loop().call_later(delay, self._refuse)

    def _refuse(self) -> None:
        self._lifecycle.drain()
        asyncio.get_running_loop().call_later(DRAINING_SECONDS, self._stop_listening)

    def _stop_listening(self) -> None:
        self.should_exit = True


def run(
    models: TextModel | Sequence[TextModel], settings: ServeSettings | None = None, *, keys: Keys | None = None
) -> None:
    """Serve models until SIGTERM or Ctrl-C.

    Args:
        models: An encoder, a reranker, or several models.
        settings: The defaults where None.
        keys: The keys that open it; None: it asks for none.

    Raises:
        InvalidInputError: the address is public and there is no key, or the settings do not name each model.
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
    app = create_app(models, settings, keys=keys)
    with listen(settings) as listener:
        address = listener.getsockname()
        names = ", ".join(app.state.service.models.names)
        LOG.info("listening", host=address[0], port=address[1], model=names, keys=bool(keys))
        make_server(app, settings).run(sockets=[listener])
    LOG.info("stopped")


def make_server(app: FastAPI, settings: ServeSettings) -> DrainingServer:
    """Make the server of an application, to run with a socket of :func:`listen`."""
    watch = ConnectionWatch(settings)
    # Made for this server: uvicorn makes each connection from a class alone.
    connection = type("Connection", (connection_class(),), {"watch": watch})
    config = uvicorn.Config(
        app,
        http=connection,
        loop="asyncio" if sys.platform == "win32" else "uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        timeout_keep_alive=KEEP_ALIVE_SECONDS,
        server_header=False,
        proxy_headers=settings.proxy_headers,
        forwarded_allow_ips=[str(network) for network in settings.proxy_networks],
        limit_concurrency=settings.connections,
        timeout_graceful_shutdown=math.ceil(settings.drain_seconds),
        backlog=BACKLOG,
    )
    return DrainingServer(config, app.state, watch=watch, drain_delay=settings.drain_delay_seconds)


def connection_class() -> type[asyncio.Protocol]:
    """Return the connection of the parser that is installed: httptools, else h11, which uvicorn brings."""
    try:
        from embed_plugin.serve.connections.httptools_connection import HttptoolsConnection  # noqa: PLC0415
    except ImportError:
        from embed_plugin.serve.connections.h11_connection import H11Connection  # noqa: PLC0415

        return H11Connection
    return HttptoolsConnection


def listen(settings: ServeSettings) -> socket.socket:
    """Open a listening socket; that of ``::`` takes IPv4 too, where the system can.

    Raises:
        ServiceError: the address is taken or not this machine's.
    """
    address = (settings.address, settings.port)
    try:
        found = {each[0] for each in socket.getaddrinfo(*address, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)}
        family = socket.AF_INET if socket.AF_INET in found else socket.AF_INET6
        is_both = settings.address == "::" and socket.has_dualstack_ipv6()
        return socket.create_server(address, family=family, backlog=BACKLOG, dualstack_ipv6=is_both)
    except OSError as error:
        host = f"[{settings.address}]" if ":" in settings.address else settings.address
        where = f"{host}:{settings.port}"
        raise ServiceError(f"cannot listen on {where} ({error.strerror}): choose another --host or --port") from error

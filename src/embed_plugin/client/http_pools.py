"""One HTTP connection pool for each event loop that a client is used from: a connection works in its own loop alone."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx

from embed_plugin.errors import StateError
from embed_plugin.proxies import named_network_variables

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

CONNECT_SECONDS = 5.0
"""Time limit of connecting: a host that answers no packet for so long is down, however long a request may take."""

KEPT_CONNECTIONS = 32


@dataclass(frozen=True)
class _Pool:
    """A connection pool, and the generator that closes it: with the loop, or when it is closed itself."""

    http: httpx.AsyncClient
    closing: AsyncGenerator[None, None]


class HttpPools:
    """The connection pools of a client, shared by its endpoints. Safe to use from any number of threads and loops.

    A pool is closed with its loop: ``asyncio.run`` closes the asynchronous generators of its loop before the loop, and
    one of them holds the pool.

    Raises:
        InvalidInputError: a proxy variable or ``SSL_CERT_FILE`` in the environment cannot be used.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._pools: dict[asyncio.AbstractEventLoop, _Pool] = {}
        self._closed = False
        self._unused: httpx.AsyncClient | None = _open_http_client()  # what cannot work is refused before a request

    def refuse_closed(self) -> None:
        """Raise StateError once the client is closed."""
        if self._closed:
            raise StateError("this client is closed: make another one")

    async def of_this_loop(self) -> httpx.AsyncClient:
        """Return the pool of the running loop, opened on first use.

        Raises:
            StateError: the client is closed.
        """
        loop = asyncio.get_running_loop()
        with self._lock:
            self.refuse_closed()
            pool = self._pools.get(loop)
            if pool is not None:
                return pool.http
            for dead in [each for each in self._pools if each.is_closed()]:
                del self._pools[dead]  # closed by hand, without its generators: nothing can await there any more
            http, self._unused = self._unused or _open_http_client(), None
            pool = self._pools[loop] = _Pool(http, self._until_closed(loop, http))
        await anext(pool.closing, None)  # registers the generator with the loop; does not suspend
        self.refuse_closed()  # by another thread, meanwhile
        return http

    async def aclose(self) -> None:
        """Close this loop's pool, and tell the other loops to close theirs."""
        with self._lock:
            self._closed = True
            pools, self._pools = self._pools, {}
        here = pools.pop(asyncio.get_running_loop(), None)
        for loop, pool in pools.items():
            with suppress(RuntimeError):  # that loop is closed
                loop.call_soon_threadsafe(loop.create_task, pool.closing.aclose())
        if here is not None:
            await here.closing.aclose()

    async def _until_closed(
        self, loop: asyncio.AbstractEventLoop, http: httpx.AsyncClient
    ) -> AsyncGenerator[None, None]:
        try:
            yield
        finally:
            with self._lock:
                if loop in self._pools and self._pools[loop].http is http:
                    del self._pools[loop]
            await http.aclose()


def _open_http_client() -> httpx.AsyncClient:
    """Make a connection pool; httpx limits the time of connecting alone, for each request has its own time limit."""
    with named_network_variables():
        return httpx.AsyncClient(
            timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS),
            # Not compressed: a small body could become one without bound, and vectors hardly shrink.
            headers={"User-Agent": f"embed-plugin/{version('embed-plugin')}", "Accept-Encoding": "identity"},
        )

"""The middleware around every route: key, body and deadline before it, metrics and the log after it.

It also cancels the route when the client disconnects, and turns every exception into a response.
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import TYPE_CHECKING, Any

import structlog

from embed_plugin.serve.api.responses import error_response
from embed_plugin.serve.connections.watch import SEND_SECONDS
from embed_plugin.serve.logs import traceback_without_values
from embed_plugin.serve.metrics import UNMATCHED
from embed_plugin.serve.request_body import BodyReader
from embed_plugin.serve.request_errors import (
    CLIENT_CLOSED_REQUEST,
    INTERNAL_ERROR,
    ClientDisconnectedError,
    RequestError,
)
from embed_plugin.serve.request_record import RequestRecord
from embed_plugin.wire import DEADLINE_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from embed_plugin.serve.keys import Keys
    from embed_plugin.serve.lifecycle import Lifecycle
    from embed_plugin.serve.service import Service

OPEN_PATHS = frozenset({"/", "/docs", "/health", "/health/live", "/health/ready"})
"""Paths that need no key: the probes, the status page, which holds nothing but a form for the key, and the page of the
interface, which is the same for every service. A body sent to one is not read."""

QUIET_PATHS = frozenset({"/health", "/health/live", "/health/ready", "/metrics"})
"""Paths that machines poll every few seconds; logged at debug level."""

MOST_DIGITS = 18
"""Longest number accepted in a header: parsing thousands of digits takes time, and then fails."""

LOG = structlog.get_logger("embed_plugin.serve")


class RequestGuard:
    """ASGI middleware, the only one of the application."""

    def __init__(self, app: ASGIApp, *, service: Service, keys: Keys) -> None:
        settings = service.settings
        self._app = app
        self._service = service
        self._settings = settings
        self._keys = keys
        self._bodies = BodyReader(limit=settings.body_bytes, seconds=settings.receive_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope = _routed(scope, self._settings.root_path)
        record = scope["state"]["record"] = RequestRecord()
        try:
            with record.cleanup:
                await self._answer(scope, receive, _ResponseSender(send, record, self._service.lifecycle))
        finally:
            self._count_and_log(scope, record)

    async def _answer(self, scope: Scope, receive: Receive, sender: _ResponseSender) -> None:
        record = sender.record
        try:
            headers = _headers_of(scope)
            # A client that was not told to continue may send its body or the next request: nobody can tell which.
            sender.closes = b"expect" in headers
            self._check_key(scope)
            record.deadline = record.arrived + self._deadline_seconds(headers)
            if scope["path"] in OPEN_PATHS:
                await self._within_deadline(scope, _BufferedRequest(b"", None), sender)
                return
            sender.closes = False
            body = await self._bodies.read(receive, _number(headers, b"content-length") or 0)
            with self._bodies.hold(body):
                await self._within_deadline(scope, _BufferedRequest(body, receive), sender)
        except RequestError as error:
            record.code = error.code
            await error_response(error, scope["path"])(scope, receive, sender.send)
        except ClientDisconnectedError:
            record.status = CLIENT_CLOSED_REQUEST
        except Exception as error:  # noqa: BLE001 - logged, and answered
            LOG.error(  # noqa: TRY400 - its traceback holds the texts
                "the request failed", route=_route_of(scope), traceback=traceback_without_values(error)
            )
            record.code = "internal"
            if not sender.has_started:
                await error_response(INTERNAL_ERROR, scope["path"])(scope, receive, sender.send)
            # A response that has begun stays incomplete: the server then closes the connection, which tells the client.
            # The exception is not raised again, because the server would log its message.

    def _check_key(self, scope: Scope) -> None:
        if scope["path"] not in OPEN_PATHS and not self._keys.allow_request(scope["headers"]):
            expected = "one header  Authorization: Bearer KEY  or  X-API-Key: KEY  with a key of this server"
            raise RequestError("unauthorized", f"expected {expected}")

    def _deadline_seconds(self, headers: dict[bytes, bytes]) -> float:
        requested = _number(headers, DEADLINE_HEADER.lower().encode())
        own = self._settings.deadline_seconds
        return own if requested is None else min(own, requested / 1000)

    async def _within_deadline(self, scope: Scope, request: _BufferedRequest, sender: _ResponseSender) -> None:
        """Run the route until its response begins, the deadline passes, or the client disconnects."""
        task = asyncio.current_task()
        watcher = asyncio.create_task(request.watch(sender, task))
        try:
            async with asyncio.timeout(sender.record.seconds_left) as sender.timeout:
                await self._app(scope, request.receive, sender.send)
        except TimeoutError:
            milliseconds = 1000 * (sender.record.deadline - sender.record.arrived)
            raise RequestError("deadline_exceeded", f"no answer within {milliseconds:.0f} ms") from None
        except asyncio.CancelledError:
            if task is None or not request.disconnected.is_set():
                raise
            task.uncancel()
            raise ClientDisconnectedError from None
        finally:
            sender.timeout = None
            watcher.cancel()

    def _count_and_log(self, scope: Scope, record: RequestRecord) -> None:
        route = _route_of(scope)
        self._service.metrics.count_request(record, route)
        facts = {name: value for name in ("code", "lane", "texts", "tokens") if (value := getattr(record, name))}
        if record.code == "unauthorized" and (client := _address_of(scope)):
            facts["client"] = client
        write = LOG.debug if scope["path"] in QUIET_PATHS else LOG.info
        milliseconds = round(1000 * record.seconds, 1)
        write("request", method=scope["method"], route=route, status=record.status, ms=milliseconds, **facts)


class _ResponseSender:
    """Sends a response: records its status, ends the deadline when it begins, and limits the time of each send.

    Attributes:
        closes: The connection cannot be reused. Nor can one of a service that is ending: its client is to find another.
    """

    def __init__(self, send: Send, record: RequestRecord, lifecycle: Lifecycle) -> None:
        self._send = send
        self._lifecycle = lifecycle
        self.record = record
        self.closes = False
        self.timeout: asyncio.Timeout | None = None
        self.has_started = False
        self.is_complete = False

    async def send(self, message: Message) -> None:
        """Send an ASGI message."""
        if message["type"] == "http.response.start":
            self.record.status = message["status"]
            self.has_started = True
            if self.closes or self._lifecycle.is_ending:
                others = [each for each in message.get("headers", []) if each[0] != b"connection"]
                message["headers"] = [*others, (b"connection", b"close")]
            if self.timeout is not None and not self.timeout.expired():
                self.timeout.reschedule(None)
        elif not message.get("more_body", False):
            self.is_complete = True
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise ClientDisconnectedError from None


class _BufferedRequest:
    """Gives the route the body that was read, and notices when the client disconnects, unless nothing is received."""

    def __init__(self, body: bytes, receive: Receive | None) -> None:
        self._messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])
        self._receive = receive
        self.disconnected = asyncio.Event()

    async def receive(self) -> Message:
        """Return the body; after it, block until the client disconnects."""
        for message in self._messages:
            return message
        await self.disconnected.wait()
        return {"type": "http.disconnect"}

    async def watch(self, sender: _ResponseSender, task: asyncio.Task[Any] | None) -> None:
        """Cancel the request's task when the client disconnects."""
        if self._receive is None:
            return
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if task is not None and not sender.is_complete:
            self.disconnected.set()
            task.cancel()


def _route_of(scope: Scope) -> str:
    """Return the path's template, for a path of its own may hold anything."""
    return str(getattr(scope.get("route"), "path", UNMATCHED))


def _routed(scope: Scope, root_path: str) -> Scope:
    """Return the scope as the routes know it.

    The path has no prefix, which a proxy may have left there, and no slash at its end. HEAD is GET: the server, which
    has the request as it came, leaves the body out.
    """
    root = scope.get("root_path") or root_path
    path = scope["path"]
    if root and path.startswith(f"{root}/"):
        path = path.removeprefix(root)
    method = "GET" if scope["method"] == "HEAD" else scope["method"]
    return {**scope, "path": path.removesuffix("/") or "/", "root_path": "", "method": method}


def _address_of(scope: Scope) -> str | None:
    """Return the client's address, or None where a proxy's header names something else."""
    host: str = (scope.get("client") or ("",))[0]
    try:
        return str(ipaddress.ip_address(host))
    except ValueError:
        return None


def _headers_of(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _number(headers: dict[bytes, bytes], name: bytes) -> int | None:
    value = headers.get(name, b"")
    return int(value) if value.isdigit() and len(value) <= MOST_DIGITS else None

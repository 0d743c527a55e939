"""What every request passes, before and after its route: key, body, deadline, a client that goes away, count, log."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import structlog

from embed_plugin.serve.api.responses import refusal_response
from embed_plugin.serve.body import BodyReader, ClientGoneError
from embed_plugin.serve.metrics import UNMATCHED
from embed_plugin.serve.refusals import CLIENT_GONE, INTERNAL, Refusal
from embed_plugin.serve.request_record import Call
from embed_plugin.wire import DEADLINE_HEADER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from embed_plugin.serve.keys import Keys
    from embed_plugin.serve.metrics import Metrics
    from embed_plugin.serve.settings import ServeSettings

OPEN_PATHS = frozenset({"/", "/health/live", "/health/ready"})
"""Answered without a key: probes, and a page that holds nothing but the form for one."""

QUIET_PATHS = frozenset({"/health/live", "/health/ready", "/metrics"})
"""Asked every few seconds by machines; logged at the level of debugging."""

SEND_SECONDS = 60.0
"""A client that reads nothing of its answer for so long is given up."""

MOST_DIGITS = 18
"""Of a number in a header: Python takes time for thousands of them, and then an error."""

LOG = structlog.get_logger("embed_plugin.serve")


class Gate:
    """Wraps the application; the only middleware there is."""

    def __init__(self, app: ASGIApp, *, settings: ServeSettings, keys: Keys, metrics: Metrics) -> None:
        self._app = app
        self._settings = settings
        self._keys = keys
        self._metrics = metrics
        self._bodies = BodyReader(limit=settings.body_bytes, seconds=settings.receive_seconds)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        call = scope["state"]["call"] = Call()
        try:
            with call.cleanup:
                await self._answer(scope, receive, _Answer(send, call))
        finally:
            self._note(scope, call)

    async def _answer(self, scope: Scope, receive: Receive, answer: _Answer) -> None:
        call = answer.call
        try:
            headers = _headers_of(scope)
            self._check_key(scope["path"], headers)
            call.deadline = call.arrived + self._deadline_seconds(headers)
            body = await self._bodies.read(receive, _number(headers, b"content-length") or 0)
            with self._bodies.hold(body):
                await self._within_deadline(scope, _Replay(body, receive), answer)
        except Refusal as refusal:
            call.code = refusal.code
            await refusal_response(refusal, scope["path"])(scope, receive, answer.send)
        except ClientGoneError:
            call.status = CLIENT_GONE
        except Exception:
            LOG.exception("the request failed", path=scope["path"])
            call.code = "internal"
            if not answer.has_started:
                await refusal_response(INTERNAL, scope["path"])(scope, receive, answer.send)
            elif not answer.is_complete:
                raise  # half an answer is out: the connection is closed, which tells the client

    def _check_key(self, path: str, headers: dict[bytes, bytes]) -> None:
        if path not in OPEN_PATHS and not self._keys.allow(headers.get(b"authorization", b"")):
            raise Refusal("unauthorized", "expected a header  Authorization: Bearer KEY  with a key of this server")

    def _deadline_seconds(self, headers: dict[bytes, bytes]) -> float:
        asked = _number(headers, DEADLINE_HEADER.lower().encode())
        own = self._settings.deadline_seconds
        return own if asked is None else min(own, asked / 1000)

    async def _within_deadline(self, scope: Scope, replay: _Replay, answer: _Answer) -> None:
        """Run the route until its answer begins, the deadline has come, or nobody waits for it."""
        task = asyncio.current_task()
        watcher = asyncio.create_task(replay.watch(answer, task))
        try:
            async with asyncio.timeout(answer.call.seconds_left) as answer.clock:
                await self._app(scope, replay.receive, answer.send)
        except TimeoutError:
            milliseconds = 1000 * (answer.call.deadline - answer.call.arrived)
            raise Refusal("deadline_exceeded", f"no answer within {milliseconds:.0f} ms") from None
        except asyncio.CancelledError:
            if task is None or not replay.gone.is_set():
                raise
            task.uncancel()
            raise ClientGoneError from None
        finally:
            answer.clock = None
            watcher.cancel()

    def _note(self, scope: Scope, call: Call) -> None:
        route = str(getattr(scope.get("route"), "path", UNMATCHED))
        self._metrics.note_call(call, route)
        facts = {name: value for name in ("code", "lane", "texts", "tokens") if (value := getattr(call, name))}
        write = LOG.debug if scope["path"] in QUIET_PATHS else LOG.info
        milliseconds = round(1000 * call.seconds, 1)
        write("request", method=scope["method"], route=route, status=call.status, ms=milliseconds, **facts)


class _Answer:
    """Sends an answer: notes its status, stops the clock when it begins, and waits for no client for ever."""

    def __init__(self, send: Send, call: Call) -> None:
        self._send = send
        self.call = call
        self.clock: asyncio.Timeout | None = None
        self.has_started = False
        self.is_complete = False

    async def send(self, message: Message) -> None:
        """Pass a message on."""
        if message["type"] == "http.response.start":
            self.call.status = message["status"]
            self.has_started = True
            if self.clock is not None and not self.clock.expired():
                self.clock.reschedule(None)
        elif not message.get("more_body", False):
            self.is_complete = True
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await self._send(message)
        except TimeoutError:
            raise ClientGoneError from None


class _Replay:
    """Gives the route the body that was read, and sees when the client goes away."""

    def __init__(self, body: bytes, receive: Receive) -> None:
        self._messages: Iterator[Message] = iter([{"type": "http.request", "body": body, "more_body": False}])
        self._receive = receive
        self.gone = asyncio.Event()

    async def receive(self) -> Message:
        """The body, and after it nothing until the client has gone."""
        for message in self._messages:
            return message
        await self.gone.wait()
        return {"type": "http.disconnect"}

    async def watch(self, answer: _Answer, task: asyncio.Task[Any] | None) -> None:
        """Cancel the request's task when the client goes away."""
        while (await self._receive())["type"] != "http.disconnect":
            pass
        if task is not None and not answer.is_complete:
            self.gone.set()
            task.cancel()


def _headers_of(scope: Scope) -> dict[bytes, bytes]:
    return dict(scope["headers"])


def _number(headers: dict[bytes, bytes], name: bytes) -> int | None:
    value = headers.get(name, b"")
    return int(value) if value.isdigit() and len(value) <= MOST_DIGITS else None

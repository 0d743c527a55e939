"""A small real HTTP server with a real encoder, which speaks our service's interface, OpenAI's and Cohere's.

It runs on a thread, and a test can tell it to fail. The service itself, in ``service.py``, cannot be told to.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections import deque
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, Self, TypeAlias

from conftest import HANG_SECONDS
from embed_plugin import InvalidTextError
from embed_plugin.client import ClientSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from embed_plugin import TextEncoder, Vectors

Fault: TypeAlias = "Callable[[_Handler], None]"


HASTY = ClientSettings(
    deadline_seconds=HANG_SECONDS,
    attempt_seconds=HANG_SECONDS / 2,
    request_texts=8,
    failures_to_open=3,
    open_seconds=0.2,
)
"""Small requests, and a circuit that opens and closes within a test."""

OPENS_FOR_GOOD = replace(HASTY, open_seconds=10 * HANG_SECONDS)
"""A call that finds no circuit closed ends at once: none closes before its deadline."""


@dataclass(frozen=True)
class Seen:
    """A request that came in."""

    path: str
    headers: Mapping[str, str]
    body: dict[str, Any]


def refuse(status: int, code: str = "", *, index: int | None = None, **headers: str) -> Fault:
    """Answer with an error in our service's shape."""

    def fault(handler: _Handler) -> None:
        error = {"code": code, "message": f"text {index}: bad" if index is not None else f"said {code}", "index": index}
        handler.reply(status, {"error": error}, {name.replace("_", "-"): value for name, value in headers.items()})

    return fault


def answer(content: object, status: int = 200, **headers: str) -> Fault:
    """Answer with this content, whatever was asked."""
    return lambda handler: handler.reply(
        status, content, {name.replace("_", "-"): value for name, value in headers.items()}
    )


def drop(handler: _Handler) -> None:
    """Close the connection without an answer."""
    handler.close_connection = True
    handler.connection.shutdown(socket.SHUT_RDWR)


def break_off(handler: _Handler) -> None:
    """Promise a body and send half of it."""
    handler.send_response(200)
    handler.send_header("Content-Length", "1000")
    handler.end_headers()
    handler.wfile.write(bytes(500))
    handler.close_connection = True


class EmbeddingServer:
    """Serves an encoder on a port of 127.0.0.1.

    ``faults`` are used up, one a POST; for None, and after the last one, it answers truly.
    """

    def __init__(self, encoder: TextEncoder, *, port: int = 0, key: str | None = None, most_texts: int = 1000) -> None:
        self.encoder = encoder
        self.key = key
        self.most_texts = most_texts
        self.seen: list[Seen] = []
        self.faults: deque[Fault | None] = deque()
        self.connections = 0
        self.under_way = self.most_under_way = 0
        self.lock = threading.Lock()
        self._http = _Server(("127.0.0.1", port), _Handler)
        self._http.of = self
        self.port = self._http.server_address[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.01,), daemon=True)
        self._thread.start()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Stop listening, and end the connections."""
        self._http.shutdown()
        self._http.server_close()
        self._http.end_connections()
        self._thread.join()

    def posts(self, path: str = "/embed") -> list[Seen]:
        """The requests to a path."""
        return [seen for seen in self.seen if seen.path == path]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # fifty tasks may connect at once, and five is the default
    block_on_close = False
    of: EmbeddingServer

    def __init__(self, *arguments: Any) -> None:  # noqa: ANN401
        super().__init__(*arguments)
        self._open: list[socket.socket] = []

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        self.of.connections += 1
        self._open.append(request)
        super().process_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ANN401
        """A client that went away is no event."""

    def end_connections(self) -> None:
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                continue  # it is closed


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    server: _Server

    def log_message(self, *_: object) -> None:
        """Stay quiet."""

    def do_GET(self) -> None:
        self._handle({})

    def do_POST(self) -> None:
        content = self.rfile.read(int(self.headers["Content-Length"]))
        self._handle(json.loads(content))

    def _handle(self, body: dict[str, Any]) -> None:
        server = self.server.of
        with server.lock:
            server.seen.append(Seen(self.path, dict(self.headers), body))
            server.under_way += 1
            server.most_under_way = max(server.most_under_way, server.under_way)
            fault = server.faults.popleft() if server.faults and self.command == "POST" else None
        try:
            if fault:
                fault(self)
            elif server.key and self.headers.get("Authorization") != f"Bearer {server.key}":
                self.reply(401, {"error": {"code": "unauthorized", "message": "no such key", "index": None}})
            else:
                _ROUTES.get(self.path, _not_found)(self, body)
        except InvalidTextError as error:
            self.reply(422, {"error": {"code": "invalid_text", "message": str(error), "index": error.index}})
        finally:
            with server.lock:
                server.under_way -= 1

    @property
    def encoder(self) -> TextEncoder:
        return self.server.of.encoder

    def vectors(self, texts: list[str], *, query: bool) -> Vectors:
        return self.encoder.encode_queries(texts) if query else self.encoder.encode_documents(texts)

    def reply(self, status: int, content: object, headers: Mapping[str, str] | None = None) -> None:
        body = content if isinstance(content, bytes) else json.dumps(content).encode()
        self.send_response(status)
        for name, value in {**(headers or {}), "Content-Length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)


def _not_found(handler: _Handler, _: dict[str, Any]) -> None:
    handler.reply(404, {"detail": "Not Found"})


def _info(handler: _Handler, _: dict[str, Any]) -> None:
    encoder = handler.encoder
    handler.reply(
        200,
        {
            "model": "tiny",
            "fingerprint": encoder.fingerprint,
            "dimension": encoder.dimension,
            "max_tokens": encoder.max_tokens,
            "limits": {"texts": handler.server.of.most_texts, "text_characters": 10**6, "body_bytes": 10**7},
        },
    )


def _embed(handler: _Handler, body: dict[str, Any]) -> None:
    encoder = handler.encoder
    if body["model"] not in (None, "tiny", encoder.fingerprint):
        handler.reply(404, {"error": {"code": "model_not_found", "message": "tiny is served here", "index": None}})
        return
    counts = encoder.count_tokens(body["texts"], role=body["role"])
    headers = {
        "Embed-Model": "tiny",
        "Embed-Fingerprint": encoder.fingerprint,
        "Embed-Dimension": str(encoder.dimension),
        "Embed-Truncated": ",".join(str(i) for i, count in enumerate(counts) if count > encoder.max_tokens),
    }
    vectors = handler.vectors(body["texts"], query=body["role"] == "query")
    handler.reply(200, vectors.astype("<f4").tobytes(), headers)


def _count(handler: _Handler, body: dict[str, Any]) -> None:
    counts = handler.encoder.count_tokens(body["texts"], role=body["role"])
    facts = {"model": "tiny", "fingerprint": handler.encoder.fingerprint, "max_tokens": handler.encoder.max_tokens}
    handler.reply(200, {"tokens": counts.tolist(), **facts})


def _openai(handler: _Handler, body: dict[str, Any]) -> None:
    """Last text first, as the specification allows, and no unit vectors, as a compatible server may do."""
    vectors = 2 * handler.vectors(body["input"], query=False)[:, : body.get("dimensions")]
    rows: list[Any] = [row.tolist() for row in vectors]
    if body.get("encoding_format") == "base64":
        rows = [base64.b64encode(row.astype("<f4").tobytes()).decode() for row in vectors]
    data = [{"object": "embedding", "index": index, "embedding": row} for index, row in enumerate(rows)]
    handler.reply(200, {"object": "list", "model": body["model"], "data": data[::-1], "usage": {"prompt_tokens": 1}})


def _cohere(handler: _Handler, body: dict[str, Any]) -> None:
    vectors = handler.vectors(body["texts"], query=body["input_type"] == "search_query")[
        :, : body.get("output_dimension")
    ]
    handler.reply(200, {"id": "1", "texts": body["texts"], "embeddings": {"float": vectors.tolist()}, "meta": {}})


_ROUTES: dict[str, Callable[[_Handler, dict[str, Any]], None]] = {
    "/info": _info,
    "/embed": _embed,
    "/count_tokens": _count,
    "/v1/embeddings": _openai,
    "/v2/embed": _cohere,
}

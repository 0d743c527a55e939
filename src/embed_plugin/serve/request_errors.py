"""Exceptions that end a request, and the HTTP response of each: its status, and its body in our shape or OpenAI's.

They are control flow inside this folder. The request guard turns every one into a response, or closes the connection,
so a caller of :func:`~embed_plugin.serve.create_app` never meets them; that is why they are not in
:mod:`embed_plugin.errors`. The codes are in :mod:`embed_plugin.wire`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.wire import RETRY_AFTER_HEADER, STATUS

if TYPE_CHECKING:
    from embed_plugin.wire import ErrorCode, ErrorContent

MOST_QUOTED = 200
"""Characters of a client's own name for something that an error message quotes."""

CLIENT_CLOSED_REQUEST = 499
"""nginx's status for a client that disconnected before its response; counted and logged, never sent."""

OPENAI_PREFIX = "/v1/"
OPENAI_RERANK_PATH = "/v1/rerank"
"""Cohere's and Jina's path, under the prefix that they share with OpenAI."""

_OPENAI_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_SERVER_ERROR = 500


class ClientDisconnectedError(Exception):
    """The client closed the connection before its response was complete."""


class RequestError(Exception):
    """A request is answered with an error.

    Attributes:
        code: The error's code, for programs.
        index: Index of the text at fault, if there is one.
        retry_after: Whole seconds after which the same request may succeed.
        closes: The connection cannot be reused.
    """

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        *,
        index: int | None = None,
        retry_after: int | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        # A quoted name may hold a lone surrogate, which no response can.
        self.message = message.encode(errors="backslashreplace").decode()
        self.index = index
        self.retry_after = retry_after
        self.closes = closes

    def status(self, path: str) -> int:
        """HTTP status; under ``/v1`` an invalid request is 400, as in OpenAI's API."""
        return 400 if self.code == "invalid_request" and path.startswith(OPENAI_PREFIX) else STATUS[self.code]

    def body(self, path: str) -> ErrorContent | dict[str, Any]:
        """The error object in the shape of the API that the path belongs to."""
        if not path.startswith(OPENAI_PREFIX):
            return {"error": {"code": self.code, "message": self.message, "index": self.index}}
        status = self.status(path)
        kind = _OPENAI_TYPES.get(status, "server_error" if status >= _SERVER_ERROR else "invalid_request_error")
        field = "documents" if path == OPENAI_RERANK_PATH else "input"
        param = None if self.index is None else f"{field}[{self.index}]"
        return {"error": {"message": self.message, "type": kind, "param": param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Response headers besides those of the content."""
        headers = {}
        if self.retry_after is not None:
            headers[RETRY_AFTER_HEADER] = str(self.retry_after)
        if self.code == "unauthorized":
            headers["WWW-Authenticate"] = "Bearer"
        if self.closes:
            headers["Connection"] = "close"
        return headers


INTERNAL_ERROR = RequestError("internal", "this server failed; its log says why")

"""Every answer that is not vectors: its code, its status and its two shapes, ours and OpenAI's."""

from __future__ import annotations

from typing import Any, Literal, TypeAlias, get_args

from embed_plugin.errors import EmbedPluginError

Code: TypeAlias = Literal[
    "invalid_request",
    "invalid_text",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "model_not_found",
    "body_too_slow",
    "body_too_large",
    "too_many_texts",
    "text_too_long",
    "overloaded",
    "not_ready",
    "draining",
    "deadline_exceeded",
    "internal",
]

STATUS: dict[Code, int] = {
    "invalid_request": 422,
    "invalid_text": 422,
    "unauthorized": 401,
    "not_found": 404,
    "method_not_allowed": 405,
    "model_not_found": 404,
    "body_too_slow": 408,
    "body_too_large": 413,
    "too_many_texts": 413,
    "text_too_long": 413,
    "overloaded": 429,
    "not_ready": 503,
    "draining": 503,
    "deadline_exceeded": 504,
    "internal": 500,
}
CODES: tuple[Code, ...] = get_args(Code)
CLIENT_GONE = 499
"""What is counted and logged for a client that went away before its answer; nothing is sent. nginx's number."""

OPENAI_PREFIX = "/v1/"
_OPENAI_TYPES = {401: "authentication_error", 404: "not_found_error", 429: "rate_limit_error"}
_SERVER_ERROR = 500


class Refusal(EmbedPluginError):  # noqa: N818 - it is no fault of the service
    """A request that gets an error instead of what it asked for.

    Attributes:
        code: What a program decides by.
        index: The text that is to blame, if one is.
        retry_after: Whole seconds after which the same request is worth another try.
        closes: Whether the connection is of no more use.
    """

    def __init__(
        self,
        code: Code,
        message: str,
        *,
        index: int | None = None,
        retry_after: int | None = None,
        closes: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.index = index
        self.retry_after = retry_after
        self.closes = closes

    def status(self, path: str) -> int:
        """HTTP status; OpenAI's API calls a request that it cannot read 400."""
        return 400 if self.code == "invalid_request" and path.startswith(OPENAI_PREFIX) else STATUS[self.code]

    def body(self, path: str) -> dict[str, Any]:
        """The error object in the shape of the API that the path belongs to."""
        if not path.startswith(OPENAI_PREFIX):
            return {"error": {"code": self.code, "message": self.message, "index": self.index}}
        status = self.status(path)
        kind = _OPENAI_TYPES.get(status, "server_error" if status >= _SERVER_ERROR else "invalid_request_error")
        param = None if self.index is None else f"input[{self.index}]"
        return {"error": {"message": self.message, "type": kind, "param": param, "code": self.code}}

    def headers(self) -> dict[str, str]:
        """Response headers beside the content's."""
        headers = {}
        if self.retry_after is not None:
            headers["Retry-After"] = str(self.retry_after)
        if self.code == "unauthorized":
            headers["WWW-Authenticate"] = "Bearer"
        if self.closes:
            headers["Connection"] = "close"
        return headers


INTERNAL = Refusal("internal", "this server failed; its log says why")

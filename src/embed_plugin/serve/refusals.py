"""Every answer that is not vectors: its code, its status and its two shapes, ours and OpenAI's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import EmbedPluginError
from embed_plugin.wire import RETRY_AFTER_HEADER, STATUS

if TYPE_CHECKING:
    from embed_plugin.wire import ErrorCode

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
        code: ErrorCode,
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
            headers[RETRY_AFTER_HEADER] = str(self.retry_after)
        if self.code == "unauthorized":
            headers["WWW-Authenticate"] = "Bearer"
        if self.closes:
            headers["Connection"] = "close"
        return headers


INTERNAL = Refusal("internal", "this server failed; its log says why")

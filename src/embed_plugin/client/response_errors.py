"""Translates HTTP error responses into this package's errors, and decides which may be retried.

:class:`~embed_plugin.errors.EndpointUnavailableError` is retried by ``retry.py``; another
:class:`~embed_plugin.errors.EndpointError` leads to the next endpoint, and an
:class:`~embed_plugin.errors.InvalidInputError` ends the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from embed_plugin.client.response_content import parsed_json, printable
from embed_plugin.errors import EndpointError, EndpointUnavailableError, InvalidInputError, InvalidTextError
from embed_plugin.wire import RETRY_AFTER_HEADER, ErrorCode, retry_after_seconds

if TYPE_CHECKING:
    import httpx

    from embed_plugin.errors import EmbedPluginError

RETRYABLE_STATUSES = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that do not concern the texts: the same request may succeed later."""

_OF_THE_TEXTS = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
_OF_THE_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TOO_MUCH: frozenset[ErrorCode] = frozenset({"body_too_large", "too_many_texts"})
_SHOWN_CHARACTERS = 300
_SMALLER_REQUESTS = "Lower request_texts or request_characters in ClientSettings"


@dataclass(frozen=True)
class ReportedError:
    """The error that an endpoint reports.

    Attributes:
        code: Its code; empty where it gives none.
        message: What it says.
        index: Index of the text at fault, or ``None``.
        from_api: False where the response is in no API's shape: a proxy's page, say.
    """

    code: str
    message: str
    index: int | None
    from_api: bool


def reported_error(response: httpx.Response) -> ReportedError:
    """Parse an error: ``{"error": {...}}`` of our service and OpenAI's API, ``{"message": ...}`` of Cohere's.

    Servers that are compatible with OpenAI's also send ``{"error": "..."}`` and ``{"detail": "..."}``.
    """
    try:
        content = parsed_json(response.content)
    except (ValueError, TypeError):
        content = {}
    error = content.get("error", content)
    if not isinstance(error, dict) or "message" not in error:
        error = {"message": content.get("detail") if isinstance(error, dict) else error}
    if not isinstance(error["message"], str):
        page = response.content.decode("utf-8", "replace")
        return ReportedError("", _short(page) or response.reason_phrase, None, from_api=False)
    code, index = error.get("code"), error.get("index")
    return ReportedError(
        code if isinstance(code, str) else "",
        _short(error["message"]),
        index if type(index) is int else None,
        from_api=True,
    )


def _short(said: str) -> str:
    return printable(said)[:_SHOWN_CHARACTERS]


def error_of_response(
    name: str, response: httpx.Response, reported: ReportedError, *, key_variable: str
) -> EmbedPluginError:
    """Make the error of a response: unavailable (retryable), invalid input (final), or another of the endpoint.

    Only an error in the shape of the endpoint's API says that the texts are at fault. A page with the same status is
    from something on the way, a proxy for one, and another endpoint may accept them.
    """
    status = response.status_code
    said = f"{status} {reported.message}"
    if reported.code == "insufficient_quota":  # OpenAI's 429 that no retry helps
        return EndpointError(name, f"{said} The key in {key_variable} has no quota left")
    if status in RETRYABLE_STATUSES:
        retry_after = retry_after_seconds(response.headers.get(RETRY_AFTER_HEADER), date=response.headers.get("Date"))
        return EndpointUnavailableError(name, said, retry_after)
    if status in _OF_THE_KEY:
        return EndpointError(name, f"refuses the key ({said}): set {key_variable} to one that it takes")
    if status in _OF_THE_TEXTS and reported.from_api:
        return _refused_texts(name, reported, said)
    return EndpointError(
        name, f"answered {said} to {response.request.method} {response.request.url.path}{_hint(response)}"
    )


def _hint(response: httpx.Response) -> str:
    where = _short(response.headers.get("Location", ""))
    if where:
        return f", and points to {where}: redirects are not followed, give the URL of the service itself"
    if response.status_code == HTTPStatus.REQUEST_ENTITY_TOO_LARGE:
        return f". A proxy may allow smaller bodies than the service. {_SMALLER_REQUESTS}"
    return ". Check its URL, and its log"


def _refused_texts(name: str, reported: ReportedError, said: str) -> EmbedPluginError:
    if reported.code in _TOO_MUCH:
        return EndpointError(name, f"{said} {_SMALLER_REQUESTS}")
    if reported.index is not None:
        return InvalidTextError(reported.index, f"{reported.message} ({name})")
    return InvalidInputError(f"{name} refuses the texts: {said}")

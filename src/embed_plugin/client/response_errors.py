"""Translates HTTP error responses into this package's errors, and decides which may be retried.

:class:`~embed_plugin.errors.EndpointUnavailableError` is retried by ``retry.py``; another
:class:`~embed_plugin.errors.EndpointError` leads to the next endpoint, and an
:class:`~embed_plugin.errors.InvalidInputError` ends the request.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

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


@dataclass(frozen=True)
class ReportedError:
    """The error that an endpoint reports; the code is empty and the index ``None`` where it gives none."""

    code: str
    message: str
    index: int | None


def reported_error(response: httpx.Response) -> ReportedError:
    """Parse the error of our service or OpenAI's API, ``{"error": {...}}``, or of Cohere's, ``{"message": ...}``."""
    try:
        content = response.json()
    except ValueError:
        content = None
    error = content.get("error", content) if isinstance(content, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return ReportedError("", response.text.strip()[:_SHOWN_CHARACTERS] or response.reason_phrase, None)
    index = error.get("index")
    return ReportedError(
        str(error.get("code") or ""), error["message"][:_SHOWN_CHARACTERS], index if type(index) is int else None
    )


def error_of_response(name: str, response: httpx.Response, *, key_variable: str) -> EmbedPluginError:
    """Make the error of a response: unavailable (retryable), invalid input (final), or another of the endpoint."""
    status, reported = response.status_code, reported_error(response)
    said = f"{status} {reported.message}"
    if reported.code == "insufficient_quota":  # OpenAI's 429 that no retry helps
        return EndpointError(name, f"{said} The key in {key_variable} has no quota left")
    if status in RETRYABLE_STATUSES:
        retry_after = retry_after_seconds(response.headers.get(RETRY_AFTER_HEADER), date=response.headers.get("Date"))
        return EndpointUnavailableError(name, said, retry_after)
    if status in _OF_THE_KEY:
        return EndpointError(name, f"refuses the key ({said}): set {key_variable} to one that it takes")
    if status in _OF_THE_TEXTS:
        return _refused_texts(name, reported, said)
    where = response.headers.get("Location")
    hint = f", and points to {where}" if where else ". Check its URL, and its log"
    return EndpointError(name, f"answered {said} to {response.request.method} {response.request.url.path}{hint}")


def _refused_texts(name: str, reported: ReportedError, said: str) -> EmbedPluginError:
    if reported.code in _TOO_MUCH:
        return EndpointError(name, f"{said} Lower request_texts or request_characters in ClientSettings")
    if reported.index is not None:
        return InvalidTextError(reported.index, f"{reported.message} ({name})")
    return InvalidInputError(f"{name} refuses the texts: {said}")

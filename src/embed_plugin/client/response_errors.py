"""Responses that are no success, as errors: what may be asked again, what another endpoint may take, what none will."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING

from embed_plugin.errors import EndpointError, EndpointUnavailableError, InvalidInputError, InvalidTextError
from embed_plugin.wire import RETRY_AFTER_HEADER, ErrorCode, retry_after_seconds

if TYPE_CHECKING:
    import httpx

    from embed_plugin.errors import EmbedPluginError

MAY_BE_REPEATED = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
"""Statuses that say nothing about the texts: the same request may succeed later."""

_OF_THE_TEXTS = frozenset(
    {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}
)
_OF_THE_KEY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_TOO_MUCH: frozenset[ErrorCode] = frozenset({"body_too_large", "too_many_texts"})
_SHOWN_CHARACTERS = 300


@dataclass(frozen=True)
class Complaint:
    """What an endpoint said was wrong: a code and a text's index where it gave them."""

    code: str
    message: str
    index: int | None


def complaint_of(response: httpx.Response) -> Complaint:
    """Read the error of our service or OpenAI's API, ``{"error": {...}}``, or of Cohere's, ``{"message": ...}``."""
    try:
        content = response.json()
    except ValueError:
        content = None
    error = content.get("error", content) if isinstance(content, dict) else None
    if not isinstance(error, dict) or not isinstance(error.get("message"), str):
        return Complaint("", response.text.strip()[:_SHOWN_CHARACTERS] or response.reason_phrase, None)
    index = error.get("index")
    return Complaint(
        str(error.get("code") or ""), error["message"][:_SHOWN_CHARACTERS], index if type(index) is int else None
    )


def refusal_of(name: str, response: httpx.Response, *, key_variable: str) -> EmbedPluginError:
    """The error that a response means: unavailable (ask again), invalid input (never again), or else the endpoint's."""
    status, complaint = response.status_code, complaint_of(response)
    said = f"{status} {complaint.message}"
    if complaint.code == "insufficient_quota":  # OpenAI's 429 that no waiting helps
        return EndpointError(name, f"{said} The key in {key_variable} has no quota left")
    if status in MAY_BE_REPEATED:
        retry_after = retry_after_seconds(response.headers.get(RETRY_AFTER_HEADER), date=response.headers.get("Date"))
        return EndpointUnavailableError(name, said, retry_after)
    if status in _OF_THE_KEY:
        return EndpointError(name, f"refuses the key ({said}): set {key_variable} to one that it takes")
    if status in _OF_THE_TEXTS:
        return _refused_texts(name, complaint, said)
    where = response.headers.get("Location")
    hint = f", and points to {where}" if where else ". Check its URL, and its log"
    return EndpointError(name, f"answered {said} to {response.request.method} {response.request.url.path}{hint}")


def _refused_texts(name: str, complaint: Complaint, said: str) -> EmbedPluginError:
    if complaint.code in _TOO_MUCH:
        return EndpointError(name, f"{said} Lower request_texts or request_characters in ClientSettings")
    if complaint.index is not None:
        return InvalidTextError(complaint.index, f"{complaint.message} ({name})")
    return InvalidInputError(f"{name} refuses the texts: {said}")

"""Translate Qdrant's exceptions to TargetError, and find those that are worth a retry or caused by the content."""

from __future__ import annotations

import sqlite3
from contextlib import contextmanager
from http import HTTPStatus
from json import JSONDecodeError
from typing import TYPE_CHECKING

from grpc import RpcError, StatusCode  # type: ignore[import-untyped]
from httpx import TransportError
from qdrant_client.common.client_exceptions import QdrantException, ResourceExhaustedResponse
from qdrant_client.http.exceptions import ApiException, ResponseHandlingException, UnexpectedResponse

from embed_plugin.errors import RefusedContentError, TargetError
from embed_plugin.ingest.stores.qdrant.client.messages import NOT_QDRANT, ServerBusyError, server_problem
from embed_plugin.wire import RETRY_AFTER_HEADER, retry_after_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from httpx import Request, Response

_TRANSIENT_CODES = {StatusCode.UNAVAILABLE, StatusCode.RESOURCE_EXHAUSTED, StatusCode.DEADLINE_EXCEEDED}
_REFUSED_STATUS = {HTTPStatus.BAD_REQUEST, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, HTTPStatus.UNPROCESSABLE_ENTITY}


def raise_when_busy(request: Request, send: Callable[[Request], Response]) -> Response:
    """Middleware of qdrant-client's HTTP client: raise ServerBusyError for an error with Retry-After."""
    response = send(request)
    if RETRY_AFTER_HEADER in response.headers and response.status_code >= HTTPStatus.BAD_REQUEST:
        after = retry_after_seconds(response.headers[RETRY_AFTER_HEADER], date=response.headers.get("Date"))
        raise ServerBusyError(response.status_code, response.reason_phrase, after)
    return response


def is_transient(error: BaseException) -> bool:
    """Return whether a retry of the same request may succeed."""
    if isinstance(error, ResponseHandlingException):
        return isinstance(error.source, TransportError)
    if isinstance(error, UnexpectedResponse):
        status = error.status_code or 0
        too_early = status in {HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS}
        return too_early or status >= HTTPStatus.INTERNAL_SERVER_ERROR
    if isinstance(error, RpcError):
        return error.code() in _TRANSIENT_CODES
    return isinstance(error, ServerBusyError | ResourceExhaustedResponse)


def is_unknown_request(error: BaseException | None) -> bool:
    """Return whether a server refused a request because it does not know it, as an older release."""
    if isinstance(error, UnexpectedResponse):
        return error.status_code in {HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED}
    return isinstance(error, RpcError) and error.code() == StatusCode.UNIMPLEMENTED


def retry_after(error: BaseException) -> float | None:
    """The seconds to wait that the server sent, if any."""
    if isinstance(error, ServerBusyError):
        return error.retry_after
    return float(error.retry_after_s) if isinstance(error, ResourceExhaustedResponse) else None


@contextmanager
def translated(target: str, *, api_key: str | None = None) -> Iterator[None]:
    """Translate every exception of Qdrant, of the connection and of the disk to TargetError, naming the target.

    Args:
        target: The name in messages: a server's URL, a folder.
        api_key: The key that the requests have, if any; a message tells what is wrong with it, and never shows it.
    """
    try:
        yield
    except (ApiException, RpcError, ServerBusyError, ResourceExhaustedResponse) as error:
        kind = RefusedContentError if _is_about_content(error) else TargetError
        notes = "".join(f" ({note})" for note in getattr(error, "__notes__", ()))
        raise kind(server_problem(target, error, api_key=api_key) + notes) from error
    except JSONDecodeError as error:
        raise TargetError(f"{target} {NOT_QDRANT}") from error
    except (OSError, sqlite3.Error) as error:
        message = f"{target}: {error}. Check that the disk has room and that the folder may be written"
        raise TargetError(message) from error
    except (QdrantException, RuntimeError, ValueError) as error:
        in_use = "already accessed by another instance" in str(error)
        remedy = (
            "it is open in another process. Wait for that one to end, or use a Qdrant server" if in_use else str(error)
        )
        raise TargetError(f"{target}: {remedy}") from error


def _is_about_content(error: Exception) -> bool:
    if isinstance(error, UnexpectedResponse):
        return error.status_code in _REFUSED_STATUS
    return isinstance(error, RpcError) and error.code() == StatusCode.INVALID_ARGUMENT

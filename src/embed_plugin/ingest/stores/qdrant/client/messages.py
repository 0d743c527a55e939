"""Messages about a server's errors: what it says, and what to do; no key is ever in one."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from grpc import RpcError, StatusCode  # type: ignore[import-untyped]
from httpx import RemoteProtocolError, TransportError
from qdrant_client.common.client_exceptions import ResourceExhaustedResponse
from qdrant_client.http.exceptions import ResponseHandlingException, UnexpectedResponse

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.stores.qdrant.client.address import address_of

if TYPE_CHECKING:
    from embed_plugin.ingest.stores.qdrant.client.address import ServerAddress

NOT_QDRANT = "does not answer as Qdrant does. Check that the URL is that of its REST port, usually 6333"
"""Behind a target: the message for an answer that cannot be read."""

_LONGEST_REASON = 500
_NO_ANSWER = {StatusCode.UNAVAILABLE, StatusCode.DEADLINE_EXCEEDED}
_GIVE_KEY = "set QDRANT_API_KEY, or give it with --api-key"


class ServerBusyError(Exception):
    """An HTTP error with Retry-After; always translated before it reaches a user.

    qdrant-client reads the header neither in its date form nor on a 503.
    """

    def __init__(self, status: int, reason: str, retry_after: float | None) -> None:
        super().__init__(f"{status} {reason}")
        self.retry_after = retry_after


def server_problem(target: str, error: Exception, *, api_key: str | None) -> str:
    """The message for an error of a server or of the way to it."""
    message = _problem(target, error, has_key=api_key is not None)
    return message.replace(api_key, "***") if api_key else message


def _problem(target: str, error: Exception, *, has_key: bool) -> str:
    if isinstance(error, ServerBusyError | ResourceExhaustedResponse):
        return f"{target} is too busy: {error}. Wait, and run the same command again to go on"
    if isinstance(error, UnexpectedResponse):
        return _http_problem(target, error, has_key=has_key)
    if isinstance(error, RpcError) and error.code() not in _NO_ANSWER:
        return _grpc_problem(target, error, has_key=has_key)
    if isinstance(error, ResponseHandlingException) and not isinstance(error.source, TransportError | OSError):
        return f"{target} {NOT_QDRANT}"
    reason = error.details() if isinstance(error, RpcError) else error.__dict__.get("source", error)
    hint = ": https:// for TLS, and the port of REST, not of gRPC" if isinstance(reason, RemoteProtocolError) else ""
    return _no_answer(target, str(reason), hint)


def _http_problem(target: str, error: UnexpectedResponse, *, has_key: bool) -> str:
    status, reason = error.status_code or 0, _reason(error)
    if status == HTTPStatus.UNAUTHORIZED:
        return _unauthorised(target, reason, has_key=has_key)
    found = f"{target} refused: {status} {_line(error.reason_phrase)}{reason}"
    if status == HTTPStatus.FORBIDDEN:
        return f"{found}. {_about_rights(has_key=has_key)}"
    if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
        location = _line(str(error.headers.get("location", ""))).partition("?")[0].rpartition("@")[2]
        return f"{found}: it redirects to {location or 'nowhere'}. Give the URL of Qdrant itself"
    address = _address(target)
    if status == HTTPStatus.NOT_FOUND and address and address.path:
        return f"{found}. The URL has the path {address.path}: leave it out, unless a proxy serves Qdrant there"
    return found + _by_proxy(address)


def _grpc_problem(target: str, error: RpcError, *, has_key: bool) -> str:
    reason = f" ({_line(error.details() or '')})" if error.details() else ""
    if error.code() == StatusCode.UNAUTHENTICATED:
        return _unauthorised(target, reason, has_key=has_key)
    if error.code() == StatusCode.PERMISSION_DENIED:
        return f"{target} refused: permission denied{reason}. {_about_rights(has_key=has_key)}"
    return f"{target} refused: {_line(error.details() or str(error.code().name))}"


def _unauthorised(target: str, reason: str, *, has_key: bool) -> str:
    if has_key:
        return f"{target} refuses the API key{reason}. Check QDRANT_API_KEY or --api-key"
    return f"{target} needs an API key, and none was given{reason}: {_GIVE_KEY}"


def _about_rights(*, has_key: bool) -> str:
    if has_key:
        return "If the API key lacks the right, give one that has it, in QDRANT_API_KEY or with --api-key"
    return f"No API key was given: if one is needed, {_GIVE_KEY}"


def _no_answer(target: str, reason: str, hint: str) -> str:
    address = _address(target)
    if "CERTIFICATE_VERIFY_FAILED" in reason or "certificate verify failed" in reason:
        return f"{target} shows a certificate that is not trusted ({_line(reason)}). {_about_certificate(reason)}"
    if "WRONG_VERSION_NUMBER" in reason or "RECORD_LAYER" in reason:
        return f"{target} speaks no TLS ({_line(reason)}). Take http://, if the network may see what is sent"
    port = ""
    if address and not address.names_port:
        port = f". The URL names no port, so {address.port} was asked, Qdrant's own; another one is added as HOST:PORT"
    found = f"no Qdrant server answers at {target} ({_line(reason)}){_by_proxy(address)}"
    return f"{found}. Check that it runs and that the URL is right{hint}{port}"


def _about_certificate(reason: str) -> str:
    if "mismatch" in reason or "not valid for" in reason:
        return "Give the host by the name that the certificate is for; one of an own CA needs --ca-file FILE too"
    return "If it is signed by an own CA, give that CA's certificate with --ca-file FILE"


def _by_proxy(address: ServerAddress | None) -> str:
    proxy = address.proxy() if address else None
    return f", asked by way of {proxy.named}; NO_PROXY names hosts to reach without" if proxy else ""


def _address(target: str) -> ServerAddress | None:
    try:
        return address_of(target)
    except InvalidInputError:
        return None


def _reason(error: UnexpectedResponse) -> str:
    """A server's reason for a refusal: that of Qdrant's own form, or a short plain text."""
    try:
        text = str(error.structured()["status"]["error"])
    except (ValueError, KeyError, TypeError):
        text = error.content.decode(errors="replace")
        if "<" in text or "{" in text:
            text = ""
    return f" ({_line(text)})" if text.strip() else ""


def _line(text: str) -> str:
    """A text of a server on one line, shortened, without characters that a terminal would act on."""
    line = " ".join(text.split())
    return "".join(character for character in line if character.isprintable())[:_LONGEST_REASON]

"""Sends a request to one endpoint over HTTP: a single attempt, guarded by the endpoint's circuit breaker.

Retries are in ``retry.py``, which calls :meth:`Connection.send`.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from importlib.metadata import version
from typing import TYPE_CHECKING, TypeVar

import httpx

from embed_plugin.client.circuit_breaker import CircuitBreaker
from embed_plugin.errors import EmbedPluginError, EndpointError, EndpointUnavailableError

if TYPE_CHECKING:
    from embed_plugin.client.endpoints.endpoint import ApiRequest, Endpoint
    from embed_plugin.client.settings import ClientSettings

T = TypeVar("T")

CONNECT_SECONDS = 5.0
"""Time limit of connecting: a host that answers no packet for so long is down, however long a request may take."""

KEPT_CONNECTIONS = 32

_log = logging.getLogger("embed_plugin.client")


def open_http_client() -> httpx.AsyncClient:
    """Make the HTTP connection pool that all endpoints of a client share.

    httpx limits the time of connecting alone, because each request has its own time limit.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS),
        headers={"User-Agent": f"embed-plugin/{version('embed-plugin')}"},
    )


class Connection:
    """One endpoint with its circuit breaker and its key."""

    def __init__(self, endpoint: Endpoint, settings: ClientSettings, http: httpx.AsyncClient) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.circuit = CircuitBreaker(
            endpoint.name, failures_to_open=settings.failures_to_open, open_seconds=settings.open_seconds
        )
        self._http = http
        self._authorization = endpoint.authorization()
        self._last_logged = ""

    async def send(self, request: ApiRequest[T], *, seconds: float) -> T:
        """Send a request once, within a time limit, and read its response.

        Raises:
            EndpointUnavailableError: the same request may succeed later: the endpoint cannot be reached, is overloaded
                or too slow, or its circuit is open.
            EndpointError: the endpoint refuses, or its response cannot be read.
            InvalidInputError: it refuses the texts.
        """
        permit = self.circuit.admit()
        if permit is None:
            raise EndpointUnavailableError(self.name, self.circuit.problem, self.circuit.seconds_to_wait)
        try:
            response = await self._respond(request, seconds)
            result = self._read(request, response) if response.is_success else self.endpoint.error_of(response)
            if isinstance(result, EndpointError) and _is_failure(response):
                raise result  # noqa: TRY301 - the handlers below report it to the circuit
        except EndpointError as error:
            self.circuit.failed(permit, error.problem)
            raise
        except BaseException:
            self.circuit.released(permit)
            raise
        self.circuit.succeeded(permit)
        if isinstance(result, EmbedPluginError):
            raise result
        return result

    def log_once(self, error: EndpointError) -> None:
        """Log an error that waiting does not remove, unless it is the one logged last."""
        if str(error) != self._last_logged:
            self._last_logged = str(error)
            _log.warning("%s", error)

    async def _respond(self, request: ApiRequest[T], seconds: float) -> httpx.Response:
        headers = {**self._authorization, **self.endpoint.deadline(seconds), **request.headers}
        url = self.endpoint.url + request.path
        try:
            async with asyncio.timeout(seconds):
                return await self._http.request(request.method, url, json=request.body, headers=headers)
        except TimeoutError:
            raise EndpointUnavailableError(self.name, f"no answer within {seconds:.3g} s") from None
        except httpx.HTTPError as error:
            problem = f"cannot be reached, or broke off ({type(error).__name__}: {error})"
            raise EndpointUnavailableError(self.name, problem) from error

    def _read(self, request: ApiRequest[T], response: httpx.Response) -> T:
        try:
            return request.read(response)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            what = f"{request.method} {request.path} answered what cannot be used ({type(error).__name__}: {error})"
            raise EndpointError(self.name, f"{what}. Check that the URL is that of the service") from error


def _is_failure(response: httpx.Response) -> bool:
    """Tell failures, which the circuit breaker counts, from refusals, which show a live endpoint: overload is one."""
    return (
        response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code == HTTPStatus.REQUEST_TIMEOUT
    )

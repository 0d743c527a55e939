"""The line to one endpoint: one attempt of a call over HTTP, watched by the endpoint's circuit."""

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
    from embed_plugin.client.endpoints.endpoint import Call, Endpoint
    from embed_plugin.client.settings import ClientSettings

T = TypeVar("T")

CONNECT_SECONDS = 5.0
"""A host that does not answer the first packet for so long is down, however long the request itself may take."""

KEPT_CONNECTIONS = 32

_log = logging.getLogger("embed_plugin.client")


def open_http() -> httpx.AsyncClient:
    """The connections that all lines of a client share and reuse.

    Each request has a time limit of its own, so httpx sets none but that for connecting.
    """
    return httpx.AsyncClient(
        timeout=httpx.Timeout(None, connect=CONNECT_SECONDS),
        limits=httpx.Limits(max_connections=None, max_keepalive_connections=KEPT_CONNECTIONS),
        headers={"User-Agent": f"embed-plugin/{version('embed-plugin')}"},
    )


class Line:
    """One endpoint with its circuit and its key."""

    def __init__(self, endpoint: Endpoint, settings: ClientSettings, http: httpx.AsyncClient) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.circuit = CircuitBreaker(
            endpoint.name, failures_to_open=settings.failures_to_open, open_seconds=settings.open_seconds
        )
        self._http = http
        self._authorization = endpoint.authorization()
        self._complaint = ""

    async def send(self, call: Call[T], *, seconds: float) -> T:
        """Send a request once and read its answer.

        Raises:
            EndpointUnavailableError: it may succeed later: the endpoint cannot be reached, is overloaded or too slow,
                or its circuit is open.
            EndpointError: the endpoint refuses, or its answer cannot be read.
            InvalidInputError: it refuses the texts.
        """
        admission = self.circuit.admit()
        if admission is None:
            raise EndpointUnavailableError(self.name, self.circuit.problem, self.circuit.seconds_to_wait)
        try:
            response = await self._respond(call, seconds)
            result = self._read(call, response) if response.is_success else self.endpoint.refusal(response)
            if isinstance(result, EndpointError) and _is_failure(response):
                raise result  # noqa: TRY301 - what follows is what became of the request
        except EndpointError as error:
            self.circuit.failed(admission, error.problem)
            raise
        except BaseException:
            self.circuit.released(admission)
            raise
        self.circuit.succeeded(admission)
        if isinstance(result, EmbedPluginError):
            raise result
        return result

    def complain(self, error: EndpointError) -> None:
        """Log a problem that waiting does not solve, once as long as it stays the same."""
        if str(error) != self._complaint:
            self._complaint = str(error)
            _log.warning("%s", error)

    async def _respond(self, call: Call[T], seconds: float) -> httpx.Response:
        headers = {**self._authorization, **self.endpoint.deadline(seconds), **call.headers}
        try:
            async with asyncio.timeout(seconds):
                return await self._http.request(
                    call.method, self.endpoint.url + call.path, json=call.body, headers=headers
                )
        except TimeoutError:
            raise EndpointUnavailableError(self.name, f"no answer within {seconds:.3g} s") from None
        except httpx.HTTPError as error:
            problem = f"cannot be reached, or broke off ({type(error).__name__}: {error})"
            raise EndpointUnavailableError(self.name, problem) from error

    def _read(self, call: Call[T], response: httpx.Response) -> T:
        try:
            return call.read(response)
        except (ValueError, KeyError, TypeError, IndexError) as error:
            what = f"{call.method} {call.path} answered what cannot be used ({type(error).__name__}: {error})"
            raise EndpointError(self.name, f"{what}. Check that the URL is that of the service") from error


def _is_failure(response: httpx.Response) -> bool:
    """Whether the endpoint failed at its work; to refuse with a reason, overload among them, shows it is alive."""
    return (
        response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code == HTTPStatus.REQUEST_TIMEOUT
    )

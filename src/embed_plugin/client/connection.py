"""Sends a request to one endpoint over HTTP: a single attempt, guarded by the endpoint's circuit breaker.

Retries are in ``retry.py``, which calls :meth:`Connection.send`.
"""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

import httpx

from embed_plugin.client.circuit_breaker import CircuitBreaker
from embed_plugin.client.http_pools import CONNECT_SECONDS
from embed_plugin.errors import EmbedPluginError, EndpointError, EndpointUnavailableError, InvalidInputError

if TYPE_CHECKING:
    from embed_plugin.client.endpoints.endpoint import ApiRequest, Endpoint
    from embed_plugin.client.http_pools import HttpPools
    from embed_plugin.client.settings import ClientSettings

T = TypeVar("T")

ERROR_BYTES = 2**16
"""Bytes read of a response that is no success: enough for its message."""

_CHECK_URL = "Check that the URL is that of the service, and nothing on the way there changes its answers"
_UNREADABLE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)

_log = logging.getLogger("embed_plugin.client")


class Connection:
    """One endpoint with its circuit breaker and its key.

    Args:
        endpoint: The endpoint.
        settings: Of the circuit breaker.
        pools: The client's HTTP connections.
        alone: The client has no other endpoint: its errors are the caller's, and say all while it was never reached.

    Attributes:
        reached: True once a connection to it was made: it exists, however it answers.
    """

    def __init__(self, endpoint: Endpoint, settings: ClientSettings, pools: HttpPools, *, alone: bool) -> None:
        self.endpoint = endpoint
        self.name = endpoint.name
        self.circuit = CircuitBreaker(
            endpoint.name, failures_to_open=settings.failures_to_open, open_seconds=settings.open_seconds
        )
        self.reached = False
        self._alone = alone
        self._pools = pools
        self._authorization = endpoint.authorization()
        _refuse_impossible_host(endpoint.url)
        self._last_logged = ""

    async def send(self, request: ApiRequest[T], *, seconds: float) -> T:
        """Send a request once, within a time limit, and read its response.

        Raises:
            EndpointUnavailableError: the same request may succeed later: the endpoint cannot be reached, is overloaded
                or too slow, or its circuit is open.
            EndpointError: the endpoint refuses, or its response cannot be read.
            InvalidInputError: it refuses the texts.
            StateError: the client is closed.
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
            level = logging.INFO if self._alone and not self.reached else logging.WARNING
            self.circuit.failed(permit, error.problem, level=level)
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
        http = await self._pools.of_this_loop()
        try:
            async with (
                asyncio.timeout(seconds),
                http.stream(request.method, url, json=request.body, headers=headers) as response,
            ):
                self.reached = True
                return await self._received(response, request.most_bytes)
        except TimeoutError:
            self.reached |= seconds > CONNECT_SECONDS  # connecting has this limit of its own
            raise EndpointUnavailableError(self.name, f"no answer within {seconds:.3g} s") from None
        except httpx.HTTPError as error:
            self._pools.refuse_closed()  # by another task, under this request
            self.reached |= not isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.ProxyError)
            problem = f"cannot be reached, or broke off ({type(error).__name__}: {error})"
            raise EndpointUnavailableError(self.name, problem) from error
        except RuntimeError:
            self._pools.refuse_closed()
            raise

    async def _received(self, response: httpx.Response, most_bytes: int) -> httpx.Response:
        """Read a response up to its size limit; of one that is no success, the start.

        Not decompressed: that was not asked for, and a small body could become one without bound.
        """
        most_bytes = most_bytes if response.is_success else ERROR_BYTES
        body = bytearray()
        async for part in response.aiter_raw():
            body += part[: most_bytes + 1 - len(body)]
            if len(body) > most_bytes:
                break
        if response.headers.get("Content-Encoding", "identity").lower() != "identity":
            body.clear()
            self._refuse_success(response, "a compressed body, which was not asked for")
        if len(body) > most_bytes:
            self._refuse_success(response, f"more than the {most_bytes:,} bytes that were asked for")
        headers = [(name, value) for name, value in response.headers.multi_items() if name != "content-encoding"]
        return httpx.Response(response.status_code, headers=headers, content=bytes(body), request=response.request)

    def _refuse_success(self, response: httpx.Response, found: str) -> None:
        if response.is_success:
            where = f"{response.request.method} {response.request.url.path}"
            raise EndpointError(self.name, f"{where} answered with {found}. {_CHECK_URL}")

    def _read(self, request: ApiRequest[T], response: httpx.Response) -> T:
        try:
            return request.read(response)
        except InvalidInputError:  # a ValueError that is about the texts
            raise
        except _UNREADABLE as error:
            what = f"{request.method} {request.path} answered what cannot be used ({type(error).__name__}: {error})"
            raise EndpointError(self.name, f"{what}. {_CHECK_URL}") from error


def _refuse_impossible_host(url: str) -> None:
    """Refuse what is a URL, and holds characters or a name that no host can have."""
    try:
        _ = httpx.URL(url).host
    except (httpx.InvalidURL, ValueError) as error:
        raise InvalidInputError(
            f"{url!r} is not the URL of a service ({error}); expected one like http://127.0.0.1:8000"
        ) from error


def _is_failure(response: httpx.Response) -> bool:
    """Tell failures, which the circuit breaker counts, from refusals, which show a live endpoint: overload is one."""
    return (
        response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR or response.status_code == HTTPStatus.REQUEST_TIMEOUT
    )

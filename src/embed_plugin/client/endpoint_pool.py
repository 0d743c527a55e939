"""Sends a client's requests to its endpoints, and refuses a response from another vector space."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, TypeVar

from embed_plugin.client.connection import Connection
from embed_plugin.client.endpoints.endpoint import CountResponse, EmbedResponse, Endpoint, ScoreResponse, Space
from embed_plugin.client.endpoints.service import OTHER_SPACE_REMEDY, ServiceEndpoint
from embed_plugin.client.http_pools import HttpPools
from embed_plugin.client.retry import Retry
from embed_plugin.errors import EndpointError, InvalidInputError, InvalidTextError, OtherSpaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.client.batches import RequestBatch
    from embed_plugin.client.endpoints.endpoint import ApiRequest
    from embed_plugin.client.settings import ClientSettings

InSpace = TypeVar("InSpace", EmbedResponse, CountResponse, ScoreResponse)


class EndpointPool:
    """The endpoints of a client, and the space that it is pinned to.

    Args:
        endpoints: At least one, in order of preference; without a fingerprint the first decides the space.
        fingerprint: The space, or ``None`` to learn it from the first endpoint.
        dimension: Length of the vectors, of a model that was trained for it; None: the model's own.
        settings: Deadlines and circuit breakers.

    Raises:
        InvalidInputError: a URL is malformed, a key is not in the environment or cannot be sent, an endpoint is named
            twice, a proxy variable cannot be read, or a cloud API gives vectors of another length than ``dimension``.
    """

    def __init__(
        self,
        endpoints: Sequence[str | Endpoint],
        *,
        fingerprint: str | None,
        settings: ClientSettings,
        dimension: int | None = None,
    ) -> None:
        self._settings = settings
        self._dimension = dimension
        self._fingerprint = fingerprint
        self._pools = HttpPools()
        self._lock = threading.Lock()
        alone = len(endpoints) == 1
        self.connections = [
            Connection(_endpoint(endpoint), settings, self._pools, alone=alone) for endpoint in endpoints
        ]
        self.space: Space | None = None
        names = [connection.name for connection in self.connections]
        if len(set(names)) < len(names):
            raise InvalidInputError(f"an endpoint is named twice: {', '.join(names)}")
        if dimension is not None:
            self._check_dimension(dimension)

    def _check_dimension(self, dimension: object) -> None:
        """Refuse what is no length, and an endpoint whose vectors are known to have another one."""
        if type(dimension) is not int or dimension < 1:
            raise InvalidInputError(f"dimension is {dimension!r}; expected a whole number of at least 1")
        for connection in self.connections:
            known = connection.endpoint.space
            if known is not None and known.dimension != dimension:
                remedy = (
                    f"give it dimension={dimension}, with shorten=True where its model can shorten, or leave it out"
                )
                found = f"dimension is {dimension}, and {connection.name} gives vectors of {known.dimension} numbers"
                raise InvalidInputError(f"{found}: {remedy}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._pools.aclose()

    async def learn_space(self, *, wait_for_circuit: bool = True) -> Space:
        """Return the space of this client: requested once, then the same for good.

        Raises:
            EndpointError: no endpoint that may decide the space answers.
            OtherSpaceError: the endpoints serve another space than ``fingerprint``.
            StateError: the client is closed.
        """
        self._pools.refuse_closed()
        if self.space is None:
            # A fallback may serve another space, so without a fingerprint the first endpoint alone decides.
            connections = self.connections if self._fingerprint else self.connections[:1]
            try:
                space = await Retry(connections, self._settings, wait_for_circuit=wait_for_circuit).run(self._describe)
            except EndpointError as error:
                if len(connections) == len(self.connections):
                    raise
                hint = "the client takes its space from it, so no fallback was asked: pass fingerprint= to allow that"
                raise type(error)(error.endpoint, f"{error.problem}; {hint}") from error
            return self._pin(space)
        return self.space

    def _pin(self, space: Space) -> Space:
        """Keep the space, unless a concurrent task or thread has set it already."""
        with self._lock:
            self.space = self.space or space
            return self.space

    async def space_of(self, connection: Connection) -> Space:
        """Return the space that one endpoint serves; fails at once where its circuit is open."""
        return await Retry([connection], self._settings, wait_for_circuit=False).run(self._request_space)

    async def request(
        self,
        batch: RequestBatch,
        request_for: Callable[[Endpoint], ApiRequest[InSpace]],
        space: Space,
        *,
        connections: Sequence[Connection],
        wait_for_circuit: bool = True,
    ) -> tuple[str, InSpace]:
        """Send the request of one batch, with retries and fallbacks; return the endpoint's name and its response.

        Raises:
            InvalidInputError: the texts are refused; carries the caller's index of the text, or names the batch.
            EndpointError: no endpoint answered in this space.
        """

        async def attempt(connection: Connection, seconds: float) -> tuple[str, InSpace]:
            if connection.endpoint.space:  # known beforehand: send no text where the vector could not be used
                _refuse_other_space(connection, connection.endpoint.space, space.fingerprint)
            result = await connection.send(request_for(connection.endpoint), seconds=seconds)
            _refuse_other_space(connection, result, space.fingerprint)
            return connection.name, result

        try:
            return await Retry(connections, self._settings, wait_for_circuit=wait_for_circuit).run(attempt)
        except InvalidInputError as error:
            if isinstance(error, InvalidTextError) and 0 <= error.index < len(batch.texts):
                raise InvalidTextError(batch.first + error.index, error.problem) from None
            last = batch.first + len(batch.texts) - 1
            raise InvalidInputError(f"{error} (texts {batch.first} to {last})") from None

    async def _describe(self, connection: Connection, seconds: float) -> Space:
        space = await self._request_space(connection, seconds)
        if self._fingerprint:
            _refuse_other_space(connection, space, self._fingerprint)
        return space

    async def _request_space(self, connection: Connection, seconds: float) -> Space:
        known = connection.endpoint.space
        if known is None:
            known = await connection.send(connection.endpoint.describe(), seconds=seconds)
        try:
            return known.cut_to(self._dimension)
        except InvalidInputError as error:
            raise OtherSpaceError(connection.name, str(error)) from error


def _refuse_other_space(
    connection: Connection, found: Space | EmbedResponse | CountResponse | ScoreResponse, expected: str
) -> None:
    if found.fingerprint != expected:
        what = f"serves {found.model} in the space {found.fingerprint}, this client's is {expected}"
        raise OtherSpaceError(connection.name, f"{what}. {OTHER_SPACE_REMEDY}")


def _endpoint(endpoint: str | Endpoint) -> Endpoint:
    if isinstance(endpoint, str):
        return ServiceEndpoint(endpoint)
    if isinstance(endpoint, Endpoint):
        return endpoint
    raise InvalidInputError(f"an endpoint is a {type(endpoint).__name__}; expected a URL or an Endpoint")

"""One request of a client: over the lines that may take it, and its answer held against the space it must be of."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from embed_plugin.client.connection import Line, open_http
from embed_plugin.client.endpoints.endpoint import Answer, Counts, Endpoint, Space
from embed_plugin.client.endpoints.service import OTHER_SPACE_REMEDY, ServiceEndpoint
from embed_plugin.client.retry import Route
from embed_plugin.errors import EndpointError, InvalidInputError, InvalidTextError, OtherSpaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.client.batches import Slice
    from embed_plugin.client.endpoints.endpoint import Call
    from embed_plugin.client.settings import ClientSettings

InSpace = TypeVar("InSpace", Answer, Counts)


class Switchboard:
    """The lines of a client and the space it is pinned to.

    Args:
        endpoints: At least one; the first decides the space where no fingerprint is given.
        fingerprint: The space, or ``None`` to learn it from the first endpoint.
        settings: Deadlines and circuits.

    Raises:
        InvalidInputError: a URL is none, a key is not in the environment, or an endpoint is named twice.
    """

    def __init__(
        self, endpoints: Sequence[str | Endpoint], *, fingerprint: str | None, settings: ClientSettings
    ) -> None:
        self._settings = settings
        self._fingerprint = fingerprint
        self._http = open_http()
        self.lines = [Line(_endpoint(endpoint), settings, self._http) for endpoint in endpoints]
        self.space: Space | None = None
        names = [line.name for line in self.lines]
        if len(set(names)) < len(names):
            raise InvalidInputError(f"an endpoint is named twice: {', '.join(names)}")

    async def aclose(self) -> None:
        """Close the connections."""
        await self._http.aclose()

    async def learn_space(self, *, wait_for_open: bool = True) -> Space:
        """The space of this client; asked for until it is known, from then on the same.

        Raises:
            EndpointError: no endpoint that may say so answers.
            OtherSpaceError: the endpoints serve another one than ``fingerprint``.
        """
        if self.space is None:
            # Whatever else answers first may be of another space: without a fingerprint only the first one decides.
            lines = self.lines if self._fingerprint else self.lines[:1]
            try:
                space = await Route(lines, self._settings, wait_for_open=wait_for_open).ask(self._describe)
            except EndpointError as error:
                if len(lines) == len(self.lines):
                    raise
                hint = "the client takes its space from it, so no fallback was asked: pass fingerprint= to allow that"
                raise type(error)(error.endpoint, f"{error.problem}; {hint}") from error
            return self._pin(space)
        return self.space

    def _pin(self, space: Space) -> Space:
        """Keep the space; where another task was quicker, that one's."""
        if self.space is None:
            self.space = space
        return self.space

    async def space_of(self, line: Line) -> Space:
        """The space that one line serves, whichever it is; not waited for where its circuit is open."""
        return await Route([line], self._settings, wait_for_open=False).ask(_ask_space)

    async def request(
        self,
        part: Slice,
        call: Callable[[Endpoint], Call[InSpace]],
        space: Space,
        *,
        lines: Sequence[Line],
        wait_for_open: bool = True,
    ) -> tuple[str, InSpace]:
        """Ask for one slice, and return which endpoint answered, and what.

        Raises:
            InvalidInputError: the texts are refused; names them by the caller's index.
            EndpointError: no line answered in this space.
        """

        async def attempt(line: Line, seconds: float) -> tuple[str, InSpace]:
            if line.endpoint.space:  # known beforehand: no text goes where its vector could not be used
                _refuse_other_space(line, line.endpoint.space, space.fingerprint)
            result = await line.send(call(line.endpoint), seconds=seconds)
            _refuse_other_space(line, result, space.fingerprint)
            return line.name, result

        try:
            return await Route(lines, self._settings, wait_for_open=wait_for_open).ask(attempt)
        except InvalidTextError as error:
            raise InvalidTextError(part.first + error.index, error.problem) from None
        except InvalidInputError as error:
            last = part.first + len(part.texts) - 1
            raise InvalidInputError(f"{error} (texts {part.first} to {last})") from None

    async def _describe(self, line: Line, seconds: float) -> Space:
        space = await _ask_space(line, seconds)
        if self._fingerprint:
            _refuse_other_space(line, space, self._fingerprint)
        return space


async def _ask_space(line: Line, seconds: float) -> Space:
    known = line.endpoint.space
    return known if known is not None else await line.send(line.endpoint.describe(), seconds=seconds)


def _refuse_other_space(line: Line, found: Space | Answer | Counts, expected: str) -> None:
    if found.fingerprint != expected:
        what = f"serves {found.model} in the space {found.fingerprint}, this client's is {expected}"
        raise OtherSpaceError(line.name, f"{what}. {OTHER_SPACE_REMEDY}")


def _endpoint(endpoint: str | Endpoint) -> Endpoint:
    if isinstance(endpoint, str):
        return ServiceEndpoint(endpoint)
    if isinstance(endpoint, Endpoint):
        return endpoint
    raise InvalidInputError(f"an endpoint is a {type(endpoint).__name__}; expected a URL or an Endpoint")

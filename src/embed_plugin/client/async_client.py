"""The client for asyncio. The other client runs this one on a thread of its own."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, TypeVar

import numpy as np

from embed_plugin.client.batches import Slice, checked, slices
from embed_plugin.client.dispatch import Switchboard
from embed_plugin.client.result import Embeddings
from embed_plugin.client.retry import joined
from embed_plugin.client.settings import ClientSettings
from embed_plugin.errors import EndpointError, InvalidInputError, StateError
from embed_plugin.texts import list_of_texts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.client.circuit_breaker import CircuitState
    from embed_plugin.client.connection import Line
    from embed_plugin.client.endpoints.endpoint import Answer, Endpoint, Space
    from embed_plugin.types import Role, Vectors

OnOtherSpace: TypeAlias = Literal["raise", "return"]

T = TypeVar("T")


class AsyncEmbeddingClient:
    """Calls an embedding service: :class:`~embed_plugin.client.EmbeddingClient` for one event loop.

    Args:
        endpoint: The service: the URL of an ``embed-plugin serve``, or an endpoint.
        fallbacks: Endpoints that are asked, in this order, when the ones before do not answer.
        fingerprint: The space of this client. By default it is that of the first endpoint, learnt when that is first
            asked; where it is given, a fallback of that space can answer from the start.
        settings: The defaults where None.

    Raises:
        InvalidInputError: a URL is none, a key is not in the environment, or an endpoint is named twice.

    Example:
        >>> async with AsyncEmbeddingClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
        ...     vectors = await client.encode_queries(["how do I read a file?"])
    """

    def __init__(
        self,
        endpoint: str | Endpoint,
        *,
        fallbacks: Sequence[str | Endpoint] = (),
        fingerprint: str | None = None,
        settings: ClientSettings | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self._board = Switchboard([endpoint, *fallbacks], fingerprint=fingerprint, settings=self.settings)
        self._cut_texts = 0

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; the client cannot be used after that."""
        await self._board.aclose()

    @property
    def circuits(self) -> Mapping[str, CircuitState]:
        """The state of each endpoint's circuit, by the endpoint's name."""
        return {line.name: line.circuit.state for line in self._board.lines}

    @property
    def cut_texts(self) -> int:
        """Texts that services cut at the token limit since this client was made."""
        return self._cut_texts

    @property
    def known_space(self) -> Space | None:
        """The space of this client, or ``None`` before its first contact."""
        return self._board.space

    @property
    def dimension(self) -> int:
        """Length of a vector; like the next two, known after the first contact."""
        return self._known().dimension

    @property
    def max_tokens(self) -> int:
        """Token limit of one text, special tokens and prefix included."""
        return self._known().max_tokens

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space; every vector of this client is of this one."""
        return self._known().fingerprint

    async def space(self) -> Space:
        """The space of this client; asked for once.

        Raises:
            EndpointError: no endpoint that may say so answers.
            OtherSpaceError: the endpoints serve another one than ``fingerprint``.
        """
        return await self._board.learn_space()

    async def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents to float32 ``(n, dimension)``, rows in input order, unit length.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or is refused by the service; carries its
                index.
            EndpointUnavailableError: no endpoint of the client's space answered before the deadline.
            EndpointError: every endpoint refuses, or is of another space.
        """
        return (await self.embed(texts)).vectors

    async def encode_queries(self, texts: Sequence[str]) -> Vectors:
        """Encode queries: as :meth:`encode_documents`, as the model wants queries to be."""
        return (await self.embed(texts, role="query")).vectors

    async def embed(
        self, texts: Sequence[str], *, role: Role = "document", on_other_space: OnOtherSpace = "raise"
    ) -> Embeddings:
        """Encode texts, and say what space their vectors are of.

        Args:
            texts: Any number of texts.
            role: What they are for.
            on_other_space: What to do when no endpoint of the client's space answers: ``raise``, or ``return`` the
                vectors of the first other endpoint that does. All vectors of a call are of one space. With
                ``return``, an open circuit is not waited for, and each space has the deadline to itself.

        Raises:
            As :meth:`encode_documents`.
        """
        if on_other_space not in ("raise", "return"):
            raise InvalidInputError(f"on_other_space is {on_other_space!r}; expected 'raise' or 'return'")
        wait = on_other_space == "raise"
        texts = list_of_texts(texts)
        try:
            space = await self._board.learn_space(wait_for_open=wait)
            return await self._embed_in(space, self._board.lines, texts, role, wait_for_open=wait)
        except EndpointError as error:
            if on_other_space == "raise":
                raise
            return await self._embed_elsewhere(texts, role, error)

    async def encode_slice(self, part: Slice) -> Vectors:
        """The vectors of one request's documents, for a caller that cut its texts itself."""
        _, answer = await self._embed_slice("document", await self.space(), self._board.lines, part)
        return answer.vectors

    async def stream_documents(self, texts: Iterable[str]) -> AsyncGenerator[npt.NDArray[np.float32], None]:
        """Yield the vector ``(dimension,)`` of each document in input order, in memory that does not grow."""
        space = await self.space()
        embed = partial(self._embed_slice, "document", space, self._board.lines)
        async with aclosing(self._in_order(checked(texts), space, embed)) as answers:
            async for _, (_, answer) in answers:
                for vector in answer.vectors:
                    yield vector

    async def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 ``(n,)``: special tokens and prefix included, not cut at the limit.

        Raises:
            EndpointError: as :meth:`encode_documents`; cloud APIs count none.
        """
        texts = list_of_texts(texts)
        space = await self.space()
        counts = [np.empty(0, dtype=np.int64)]
        async with aclosing(self._in_order(texts, space, partial(self._count_slice, role, space))) as answers:
            async for _, tokens in answers:
                counts.append(tokens)
        return np.concatenate(counts)

    def _known(self) -> Space:
        if self.known_space is None:
            raise StateError("this client has not asked for its space yet: await client.space() before")
        return self.known_space

    async def _embed_in(
        self, space: Space, lines: Sequence[Line], texts: Sequence[str], role: Role, *, wait_for_open: bool
    ) -> Embeddings:
        vectors = np.empty((len(texts), space.dimension), dtype=np.float32)
        endpoints: dict[str, None] = {}
        truncated: list[int] = []
        embed = partial(self._embed_slice, role, space, lines, wait_for_open=wait_for_open)
        async with aclosing(self._in_order(texts, space, embed)) as answers:
            async for part, (endpoint, answer) in answers:
                vectors[part.first : part.first + len(part.texts)] = answer.vectors
                endpoints[endpoint] = None
                truncated += [part.first + index for index in answer.truncated]
        return Embeddings(vectors, space.fingerprint, space.model, tuple(endpoints), tuple(truncated))

    async def _embed_elsewhere(self, texts: Sequence[str], role: Role, problem: EndpointError) -> Embeddings:
        """The vectors of the first endpoint of another space that answers."""
        problems = [problem]
        ours = self._board.space
        for line in self._board.lines:
            try:
                space = await self._board.space_of(line)
                if ours is None or space.fingerprint != ours.fingerprint:
                    return await self._embed_in(space, [line], texts, role, wait_for_open=False)
            except EndpointError as error:
                problems.append(error)
        raise joined(problems)

    async def _embed_slice(
        self, role: Role, space: Space, lines: Sequence[Line], part: Slice, *, wait_for_open: bool = True
    ) -> tuple[str, Answer]:
        endpoint, answer = await self._board.request(
            part,
            lambda endpoint: endpoint.embed(
                part.texts, role=role, fingerprint=space.fingerprint, on_long=self.settings.on_long
            ),
            space,
            lines=lines,
            wait_for_open=wait_for_open,
        )
        self._cut_texts += len(answer.truncated)
        return endpoint, answer

    async def _count_slice(self, role: Role, space: Space, part: Slice) -> npt.NDArray[np.int64]:
        _, counts = await self._board.request(
            part, lambda endpoint: endpoint.count_tokens(part.texts, role=role), space, lines=self._board.lines
        )
        return counts.tokens

    async def _in_order(
        self, texts: Iterable[str], space: Space, ask: Callable[[Slice], Coroutine[None, None, T]]
    ) -> AsyncGenerator[tuple[Slice, T], None]:
        """Ask for slice after slice, some of them at the same time, and yield the answers in the order of the texts."""
        most_texts = min(self.settings.request_texts, space.most_texts)
        under_way: deque[tuple[Slice, asyncio.Task[T]]] = deque()
        try:
            for part in slices(texts, most_texts=most_texts, most_characters=self.settings.request_characters):
                under_way.append((part, asyncio.create_task(ask(part))))
                if len(under_way) == self.settings.in_flight:
                    yield under_way[0][0], await under_way[0][1]
                    under_way.popleft()
            while under_way:
                yield under_way[0][0], await under_way[0][1]
                under_way.popleft()
        finally:
            tasks = [task for _, task in under_way]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

"""The client for asyncio. The synchronous client runs this one on a thread."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from contextlib import aclosing
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, TypeVar

import numpy as np

from embed_plugin.client.batches import RequestBatch, batches, checked_texts
from embed_plugin.client.endpoint_pool import EndpointPool
from embed_plugin.client.result import Embeddings
from embed_plugin.client.retry import merge_errors
from embed_plugin.client.settings import ClientSettings
from embed_plugin.errors import EndpointError, InvalidInputError, StateError
from embed_plugin.scoring import checked_query
from embed_plugin.texts import list_of_texts

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.client.circuit_breaker import CircuitState
    from embed_plugin.client.connection import Connection
    from embed_plugin.client.endpoints.endpoint import EmbedResponse, Endpoint, Space
    from embed_plugin.types import Role, Scores, Vectors

OnOtherSpace: TypeAlias = Literal["raise", "return"]

T = TypeVar("T")


@dataclass(frozen=True)
class _Use:
    """Use of texts: their role, and what queries are for where it is not what the model's query prefix says."""

    role: Role = "document"
    instruction: str | None = None


class AsyncEmbeddingClient:
    """Calls an embedding service: :class:`~embed_plugin.client.EmbeddingClient` for asyncio.

    One client may be used from any number of event loops, one after the other or at once on several threads. Each loop
    has connections of its own, which are closed with it: ``asyncio.run`` does that, and so does :meth:`aclose`.

    Args:
        endpoint: The service: the URL of an ``embed-plugin serve``, or an endpoint.
        fallbacks: Endpoints that are tried, in this order, when those before them fail.
        fingerprint: The space of this client. By default that of the first endpoint, learnt with its first response;
            with a fingerprint, a fallback of that space can answer from the start.
        dimension: Shorter vectors than the model's, of one that was trained for it: another space, with a fingerprint
            of its own. None: the model's own.
        settings: The defaults where None.

    Raises:
        InvalidInputError: a URL is malformed, a key is not in the environment or cannot be sent, an endpoint is named
            twice, a proxy variable cannot be read, or a cloud API gives vectors of another length than ``dimension``.

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
        dimension: int | None = None,
        settings: ClientSettings | None = None,
    ) -> None:
        self.settings = settings or ClientSettings()
        self._pool = EndpointPool(
            [endpoint, *fallbacks], fingerprint=fingerprint, settings=self.settings, dimension=dimension
        )
        self._cut_texts = 0
        self._counting = threading.Lock()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connections; after that the client raises StateError."""
        await self._pool.aclose()

    @property
    def circuits(self) -> Mapping[str, CircuitState]:
        """The state of each endpoint's circuit breaker, by the endpoint's name."""
        return {connection.name: connection.circuit.state for connection in self._pool.connections}

    @property
    def cut_texts(self) -> int:
        """Number of texts that services cut at the token limit since this client was made."""
        return self._cut_texts

    @property
    def known_space(self) -> Space | None:
        """The space of this client, or ``None`` before its first response."""
        return self._pool.space

    @property
    def dimension(self) -> int:
        """Length of a vector; like the next two, known after the first response."""
        return self._known().dimension

    @property
    def max_tokens(self) -> int:
        """Token limit of one text, special tokens and prefix included."""
        return self._known().max_tokens

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space of every vector that this client returns."""
        return self._known().fingerprint

    async def space(self) -> Space:
        """Return the space of this client: requested once, then remembered.

        Raises:
            EndpointError: no endpoint that may decide the space answers.
            OtherSpaceError: the endpoints serve another space than ``fingerprint``.
        """
        return await self._pool.learn_space()

    async def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents to float32 ``(n, dimension)``, rows in input order, unit length.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or is refused by the service; carries its
                index.
            EndpointUnavailableError: no endpoint of the client's space answered before the deadline.
            EndpointError: every endpoint refuses, or serves another space.
        """
        return (await self.embed(texts)).vectors

    async def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """Encode queries: as :meth:`encode_documents`, with the model's query prefix.

        Args:
            texts: Any number of texts.
            instruction: One line that says what the queries are for, in place of what the query prefix says.

        Raises:
            InvalidInputError: the model takes no instruction, or the endpoint's API has no place for one.
            EndpointError: as :meth:`encode_documents`.
        """
        return (await self.embed(texts, role="query", instruction=instruction)).vectors

    async def embed(
        self,
        texts: Sequence[str],
        *,
        role: Role = "document",
        on_other_space: OnOtherSpace = "raise",
        instruction: str | None = None,
    ) -> Embeddings:
        """Encode texts, and return their vectors with the identity of the vector space.

        Args:
            texts: Any number of texts.
            role: Encode them as documents or as queries.
            on_other_space: When no endpoint of the client's space answers: ``raise``, or ``return`` the vectors of the
                first endpoint of another space that does. All vectors of a call are of one space. With ``return``,
                an open circuit is not waited for, and each space has the whole deadline.
            instruction: As in :meth:`encode_queries`.

        Raises:
            As :meth:`encode_queries`.
        """
        if on_other_space not in ("raise", "return"):
            raise InvalidInputError(f"on_other_space is {on_other_space!r}; expected 'raise' or 'return'")
        wait = on_other_space == "raise"
        texts, use = list_of_texts(texts), _Use(role, instruction)
        try:
            space = await self._pool.learn_space(wait_for_circuit=wait)
            return await self._embed_in(space, self._pool.connections, texts, use, wait_for_circuit=wait)
        except EndpointError as error:
            if on_other_space == "raise":
                raise
            return await self._embed_elsewhere(texts, use, error)

    async def encode_batch(self, batch: RequestBatch) -> Vectors:
        """Encode the documents of one request, for a caller that splits its texts itself."""
        _, answer = await self._embed_batch(_Use(), await self.space(), self._pool.connections, batch)
        return answer.vectors

    async def stream_documents(self, texts: Iterable[str]) -> AsyncGenerator[npt.NDArray[np.float32], None]:
        """Yield the vector ``(dimension,)`` of each document in input order, in memory that does not grow."""
        space = await self.space()
        embed = partial(self._embed_batch, _Use(), space, self._pool.connections)
        async with aclosing(self._in_order(checked_texts(texts), space, embed)) as answers:
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
        async with aclosing(self._in_order(texts, space, partial(self._count_batch, role, space))) as answers:
            async for _, tokens in answers:
                counts.append(tokens)
        return np.concatenate(counts)

    async def score(self, query: str, texts: Sequence[str], *, instruction: str | None = None) -> Scores:
        """Score texts for a query with the reranker that the endpoint serves or names.

        Args:
            query: What is asked.
            texts: Any number of texts.
            instruction: One line that says what the query is for, for a model that takes one; None: the model's own.

        Returns:
            float32 ``(len(texts),)``, in input order: the scores of :class:`~embed_plugin.Reranker`, bit for bit.

        Raises:
            InvalidInputError: the query is no text or an empty one, or the model takes no instruction.
            InvalidTextError: as :meth:`encode_documents`.
            EndpointError: as :meth:`encode_documents`; or the model there is no reranker.
        """
        query, texts = checked_query(query), list_of_texts(texts)
        space = await self.space()
        scores = np.empty(len(texts), dtype=np.float32)
        score = partial(self._score_batch, query, instruction, space)
        beside_the_query = replace(space, most_texts=max(1, space.most_texts - 1))
        async with aclosing(self._in_order(texts, beside_the_query, score)) as answers:
            async for batch, part in answers:
                scores[batch.first : batch.first + len(batch.texts)] = part
        return scores

    def _known(self) -> Space:
        if self.known_space is None:
            raise StateError("this client has not asked for its space yet: await client.space() before")
        return self.known_space

    async def _embed_in(
        self,
        space: Space,
        connections: Sequence[Connection],
        texts: Sequence[str],
        use: _Use,
        *,
        wait_for_circuit: bool,
    ) -> Embeddings:
        vectors = np.empty((len(texts), space.dimension), dtype=np.float32)
        endpoints: dict[str, None] = {}
        truncated: list[int] = []
        embed = partial(self._embed_batch, use, space, connections, wait_for_circuit=wait_for_circuit)
        async with aclosing(self._in_order(texts, space, embed)) as answers:
            async for batch, (endpoint, answer) in answers:
                vectors[batch.first : batch.first + len(batch.texts)] = answer.vectors
                endpoints[endpoint] = None
                truncated += [batch.first + index for index in answer.truncated]
        return Embeddings(vectors, space.fingerprint, space.model, tuple(endpoints), tuple(truncated))

    async def _embed_elsewhere(self, texts: Sequence[str], use: _Use, problem: EndpointError) -> Embeddings:
        """Encode with the first endpoint of another space that answers."""
        problems = [problem]
        ours = self._pool.space
        for connection in self._pool.connections:
            try:
                space = await self._pool.space_of(connection)
                if ours is None or space.fingerprint != ours.fingerprint:
                    return await self._embed_in(space, [connection], texts, use, wait_for_circuit=False)
            except EndpointError as error:
                problems.append(error)
        raise merge_errors(problems)

    async def _embed_batch(
        self,
        use: _Use,
        space: Space,
        connections: Sequence[Connection],
        batch: RequestBatch,
        *,
        wait_for_circuit: bool = True,
    ) -> tuple[str, EmbedResponse]:
        endpoint, answer = await self._pool.request(
            batch,
            lambda endpoint: endpoint.embed(
                batch.texts,
                role=use.role,
                space=space,
                on_long=self.settings.on_long,
                instruction=use.instruction,
            ),
            space,
            connections=connections,
            wait_for_circuit=wait_for_circuit,
        )
        with self._counting:
            self._cut_texts += len(answer.truncated)
        return endpoint, answer

    async def _score_batch(self, query: str, instruction: str | None, space: Space, batch: RequestBatch) -> Scores:
        on_long = self.settings.on_long
        _, answer = await self._pool.request(
            batch,
            lambda endpoint: endpoint.score(query, batch.texts, space=space, on_long=on_long, instruction=instruction),
            space,
            connections=self._pool.connections,
        )
        with self._counting:
            self._cut_texts += len(answer.truncated)
        return answer.scores

    async def _count_batch(self, role: Role, space: Space, batch: RequestBatch) -> npt.NDArray[np.int64]:
        _, counts = await self._pool.request(
            batch,
            lambda endpoint: endpoint.count_tokens(batch.texts, role=role),
            replace(space, fingerprint=space.model_fingerprint),  # a tokenizer has no dimension
            connections=self._pool.connections,
        )
        return counts.tokens

    async def _in_order(
        self, texts: Iterable[str], space: Space, send: Callable[[RequestBatch], Coroutine[None, None, T]]
    ) -> AsyncGenerator[tuple[RequestBatch, T], None]:
        """Send batch after batch, up to ``in_flight`` at a time, and yield the results in the order of the texts."""
        most_texts = min(self.settings.request_texts, space.most_texts)
        under_way: deque[tuple[RequestBatch, asyncio.Task[T]]] = deque()
        try:
            for batch in batches(texts, most_texts=most_texts, most_characters=self.settings.request_characters):
                under_way.append((batch, asyncio.create_task(send(batch))))
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

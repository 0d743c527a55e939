"""The synchronous client: the asyncio client, run on a thread."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Self, TypeVar

from embed_plugin.client.async_client import AsyncEmbeddingClient
from embed_plugin.client.batches import batches, checked_texts
from embed_plugin.client.loop_thread import LoopThread
from embed_plugin.errors import StateError
from embed_plugin.process_local import ProcessLocal
from embed_plugin.scoring import best_first, require_top_k

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator, Iterable, Mapping, Sequence
    from concurrent.futures import Future

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.client.async_client import OnOtherSpace
    from embed_plugin.client.circuit_breaker import CircuitState
    from embed_plugin.client.endpoints.endpoint import Endpoint, Space
    from embed_plugin.client.result import Embeddings
    from embed_plugin.client.settings import ClientSettings
    from embed_plugin.types import Role, Scores, Vectors

T = TypeVar("T")


class EmbeddingClient:
    """Calls an embedding service; takes the place of an :class:`~embed_plugin.Encoder`.

    Large inputs are split into requests, several of which are in flight at a time. A request that may succeed later is
    retried with backoff until its deadline; a circuit breaker pauses an endpoint that keeps failing. All vectors are
    of one space: an endpoint that serves another model is never a fallback.

    One client may be called from any number of threads and tasks at once. It pickles as its arguments, and connects
    anew after a fork. Keys come from the environment: ``EMBED_PLUGIN_KEY``, or the variable that an endpoint names.
    Proxies and certificates are those of httpx (``HTTPS_PROXY``, ``NO_PROXY``, ``SSL_CERT_FILE``).

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
        >>> with EmbeddingClient("http://127.0.0.1:8000") as client:  # doctest: +SKIP
        ...     client.encode_queries(["how do I read a file?"]).shape
        (1, 384)
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
        self._make = partial(
            AsyncEmbeddingClient,
            endpoint,
            fallbacks=tuple(fallbacks),
            fingerprint=fingerprint,
            dimension=dimension,
            settings=settings,
        )
        self._running = ProcessLocal[_Running]()
        _ = self._here

    @property
    def _here(self) -> _Running:
        return self._running.get(self._start)

    @property
    def _client(self) -> AsyncEmbeddingClient:
        return self._here.client

    def _start(self) -> _Running:
        client, loop = self._make(), LoopThread("embed-plugin-client")
        return _Running(client, loop, weakref.finalize(self, loop.stop, client.aclose))

    def __reduce__(self) -> tuple[partial[EmbeddingClient], tuple[str | Endpoint]]:
        """Pickle the arguments; the copy is pinned to the same space."""
        keywords = dict(self._make.keywords)
        if self._client.known_space:
            keywords["fingerprint"] = self._client.known_space.fingerprint
        return partial(type(self), **keywords), self._make.args

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Cancel the requests in flight, and close the connections."""
        self._here.closing()

    @property
    def circuits(self) -> Mapping[str, CircuitState]:
        """The state of each endpoint's circuit breaker, by the endpoint's name."""
        return self._client.circuits

    @property
    def cut_texts(self) -> int:
        """Number of texts that services cut at the token limit since this client was made."""
        return self._client.cut_texts

    @property
    def dimension(self) -> int:
        """Length of a vector. The first use of this or of the next two sends a request to the service."""
        return self._space().dimension

    @property
    def max_tokens(self) -> int:
        """Token limit of one text, special tokens and prefix included."""
        return self._space().max_tokens

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space of every vector that this client returns."""
        return self._space().fingerprint

    @property
    def document_fields(self) -> tuple[str, ...]:
        """Names of the fields that the model's document prefix names; the texts of a request lack them all."""
        return self._space().document_fields

    def encode_documents(self, texts: Sequence[str]) -> Vectors:
        """Encode documents to float32 ``(n, dimension)``, rows in input order, unit length.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or is refused by the service; carries its
                index.
            EndpointUnavailableError: no endpoint of the client's space answered before the deadline.
            EndpointError: every endpoint refuses, or serves another space.
        """
        return self._run(lambda client: client.encode_documents(texts))

    def encode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """Encode queries: as :meth:`encode_documents`, with the model's query prefix.

        Args:
            texts: Any number of texts.
            instruction: One line that says what the queries are for, in place of what the query prefix says.

        Raises:
            InvalidInputError: the model takes no instruction, or the endpoint's API has no place for one.
            EndpointError: as :meth:`encode_documents`.
        """
        return self._run(lambda client: client.encode_queries(texts, instruction=instruction))

    async def aencode_documents(self, texts: Sequence[str]) -> Vectors:
        """:meth:`encode_documents` for asyncio, whatever the event loop."""
        return await asyncio.wrap_future(self._submit(lambda client: client.encode_documents(texts)))

    async def aencode_queries(self, texts: Sequence[str], *, instruction: str | None = None) -> Vectors:
        """:meth:`encode_queries` for asyncio."""
        encoding = self._submit(lambda client: client.encode_queries(texts, instruction=instruction))
        return await asyncio.wrap_future(encoding)

    def embed(
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
        return self._run(
            lambda client: client.embed(texts, role=role, on_other_space=on_other_space, instruction=instruction)
        )

    def stream_documents(self, texts: Iterable[str]) -> Generator[npt.NDArray[np.float32], None, None]:
        """Yield the vector ``(dimension,)`` of each document in input order, in memory that does not grow.

        The calling thread reads the texts, no further ahead than the requests in flight.
        """
        settings = self._client.settings
        most_texts = min(settings.request_texts, self._space().most_texts)
        under_way: deque[Future[Vectors]] = deque()
        try:
            for batch in batches(
                checked_texts(texts), most_texts=most_texts, most_characters=settings.request_characters
            ):
                under_way.append(self._submit(partial(AsyncEmbeddingClient.encode_batch, batch=batch)))
                if len(under_way) == settings.in_flight:
                    yield from under_way[0].result()
                    under_way.popleft()
            while under_way:
                yield from under_way[0].result()
                under_way.popleft()
        finally:
            for future in under_way:
                future.cancel()

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        """Tokens of each text, int64 ``(n,)``: special tokens and prefix included, not cut at the limit.

        Raises:
            EndpointError: as :meth:`encode_documents`; cloud APIs count none.
        """
        return self._run(lambda client: client.count_tokens(texts, role=role))

    def score(self, query: str, texts: Sequence[str], *, instruction: str | None = None) -> Scores:
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
        return self._run(lambda client: client.score(query, texts, instruction=instruction))

    def rank(
        self, query: str, texts: Sequence[str], *, top_k: int | None = None, instruction: str | None = None
    ) -> list[tuple[int, float]]:
        """Rank texts for a query: at most ``top_k`` (index, score) pairs, best first; :meth:`score`.

        Raises:
            InvalidInputError: as :meth:`score`; or ``top_k`` is no whole number of at least 1.
            EndpointError: as :meth:`score`.
        """
        require_top_k(top_k)
        return best_first(self.score(query, texts, instruction=instruction), top_k)

    def _space(self) -> Space:
        return self._client.known_space or self._run(lambda client: client.space())

    def _run(self, call: Callable[[AsyncEmbeddingClient], Coroutine[Any, Any, T]]) -> T:
        future = self._submit(call)
        try:
            return future.result()
        finally:
            future.cancel()  # does nothing unless Ctrl-C came first

    def _submit(self, call: Callable[[AsyncEmbeddingClient], Coroutine[Any, Any, T]]) -> Future[T]:
        here = self._here
        if not here.closing.alive:
            raise StateError("this client is closed: make another one")
        return here.loop.submit(call(here.client))


@dataclass(frozen=True)
class _Running:
    """The parts that a forked child cannot inherit: the connections, and the event loop on its thread."""

    client: AsyncEmbeddingClient
    loop: LoopThread
    closing: weakref.finalize[[Callable[[], Coroutine[Any, Any, None]]], EmbeddingClient]

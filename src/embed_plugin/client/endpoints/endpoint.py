"""Describes an HTTP API: builds its requests and reads its responses. Does no I/O."""

from __future__ import annotations

import os
import re
from abc import ABC, abstractmethod
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from embed_plugin.client.response_errors import error_of_response, reported_error
from embed_plugin.errors import EndpointError, InvalidInputError
from embed_plugin.model.identity import fingerprint_of_cut
from embed_plugin.model.matryoshka import required_cut

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import httpx
    import numpy as np
    import numpy.typing as npt

    from embed_plugin.errors import EmbedPluginError
    from embed_plugin.model.matryoshka import Matryoshka
    from embed_plugin.types import Role, Scores, Vectors

OnLong: TypeAlias = Literal["truncate", "error"] | None

T = TypeVar("T")

ANSWER_BYTES = 2**16
"""Size limit of a response without vectors, and what the limit of any response allows beside them."""

_KEY = re.compile(r"[!-~]+")


@dataclass(frozen=True)
class Space:
    """A vector space that an endpoint serves.

    Attributes:
        fingerprint: Its identity: equal fingerprints, comparable vectors.
        dimension: Length of a vector.
        max_tokens: Token limit of one text.
        model: The model's name.
        most_texts: Most texts of one request that the endpoint accepts.
        most_characters: Most characters of one text that it accepts; None where it names no limit.
        document_fields: Names of the fields in the model's document prefix.
        matryoshka: How the vectors may be cut; None: nothing says that they may.
        cut_from: Fingerprint of the model's own vectors, where these are cut from them; None: they are its own.
    """

    fingerprint: str
    dimension: int
    max_tokens: int
    model: str
    most_texts: int
    most_characters: int | None = None
    document_fields: tuple[str, ...] = ()
    matryoshka: Matryoshka | None = None
    cut_from: str | None = None

    @property
    def model_fingerprint(self) -> str:
        """Fingerprint of the model's own vectors, by which requests name it."""
        return self.cut_from or self.fingerprint

    def cut_to(self, dimension: int | None) -> Space:
        """Return the space of vectors that are cut to this length; None, or their own: this space.

        Raises:
            InvalidInputError: they may not be cut, or not so.
        """
        if dimension is None or dimension == self.dimension:
            return self
        cut = required_cut(self.matryoshka, dimension, full=self.dimension, model=self.model)
        fingerprint = fingerprint_of_cut(self.fingerprint, dimension, layer_norm=cut.layer_norm)
        return replace(self, fingerprint=fingerprint, dimension=dimension, matryoshka=None, cut_from=self.fingerprint)


@dataclass(frozen=True)
class EmbedResponse:
    """The vectors of one request.

    Attributes:
        vectors: float32 ``(n, dimension)``, unit length, rows in the order of the request.
        fingerprint: Identity of their space.
        model: The model's name.
        truncated: Indices, in the request, of the texts that were cut at the token limit.
    """

    vectors: Vectors
    fingerprint: str
    model: str
    truncated: tuple[int, ...] = ()


@dataclass(frozen=True)
class CountResponse:
    """The token counts of one request.

    Attributes:
        tokens: int64 ``(n,)``, in the order of the request.
        fingerprint: Identity of the space that the tokenizer belongs to.
        model: The model's name.
    """

    tokens: npt.NDArray[np.int64]
    fingerprint: str
    model: str


@dataclass(frozen=True)
class ScoreResponse:
    """The scores of one request.

    Attributes:
        scores: float32 ``(n,)``, in the order of the request.
        fingerprint: Identity of the scores.
        model: The model's name.
        truncated: Indices, in the request, of the texts that were cut at the token limit.
    """

    scores: Scores
    fingerprint: str
    model: str
    truncated: tuple[int, ...] = ()


@dataclass(frozen=True)
class ApiRequest(Generic[T]):
    """One request to an endpoint, with the function that reads its response.

    Attributes:
        method: ``GET`` or ``POST``.
        path: Added to the endpoint's URL.
        read: Reads a successful response; raises ValueError, KeyError, IndexError or TypeError where the response is
            not what the endpoint promises.
        body: Sent as JSON.
        headers: Sent besides the headers of every request.
        most_bytes: Size limit of a successful response: a longer one is cut off, and refused.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    most_bytes: int = ANSWER_BYTES


class Endpoint(ABC):
    """An embedding service at a URL. The key is read from the environment, and is no attribute."""

    url: str
    key_variable: str

    @property
    def name(self) -> str:
        """The endpoint's name in messages, results and the log."""
        return self.url

    @property
    def space(self) -> Space | None:
        """The space of the endpoint, or ``None`` where only a request of :meth:`describe` can tell."""
        return None

    @property
    def needs_key(self) -> bool:
        """True where a key is required."""
        return True

    def authorization(self) -> dict[str, str]:
        """Return the header that carries the key; none where there is no key.

        Raises:
            InvalidInputError: a key is required, and the environment has none; or it cannot be sent.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if key:
            if not _KEY.fullmatch(key):
                found = f"the key in {self.key_variable} has white space or a character outside ASCII"
                raise InvalidInputError(f"{found}, which HTTP cannot send: copy the key again, and nothing beside it")
            return {"Authorization": f"Bearer {key}"}
        if self.needs_key:
            raise InvalidInputError(f"{self.name} needs a key: set the environment variable {self.key_variable}")
        return {}

    def deadline(self, seconds: float) -> dict[str, str]:
        """Return the header that tells the endpoint the time limit of an attempt; none where the API has none."""
        del seconds
        return {}

    def error_of(self, response: httpx.Response) -> EmbedPluginError:
        """Make the error of a response that is no success."""
        return error_of_response(self.name, response, reported_error(response), key_variable=self.key_variable)

    def describe(self) -> ApiRequest[Space]:
        """Build the request for the space of the endpoint.

        Raises:
            EndpointError: the API has no such request.
        """
        raise EndpointError(self.name, "does not describe itself")

    def count_tokens(self, texts: Sequence[str], *, role: Role) -> ApiRequest[CountResponse]:
        """Build the request that counts the tokens of each text.

        Raises:
            EndpointError: the API has no such request.
        """
        del texts, role
        raise EndpointError(
            self.name, "counts no tokens: cut texts with the model's own tokenizer before embedding them"
        )

    def score(
        self, query: str, texts: Sequence[str], *, space: Space, on_long: OnLong, instruction: str | None = None
    ) -> ApiRequest[ScoreResponse]:
        """Build the request that scores texts for a query, by the reranker with this identity.

        Raises:
            EndpointError: the API has no such request.
        """
        del query, texts, space, on_long, instruction
        raise EndpointError(self.name, "ranks no texts: use an embed-plugin serve with a reranker")

    @abstractmethod
    def embed(
        self, texts: Sequence[str], *, role: Role, space: Space, on_long: OnLong, instruction: str | None = None
    ) -> ApiRequest[EmbedResponse]:
        """Build the request that embeds texts in this space.

        Raises:
            InvalidInputError: there is an instruction, and the API has no place for it.
        """


def checked_url(url: str) -> str:
    """Validate a service's URL, and remove the slash at its end.

    Raises:
        InvalidInputError: it is not the URL of an HTTP service, or carries a password.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # not a port, an open bracket
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InvalidInputError(f"{url!r} is not the URL of a service; expected one like http://127.0.0.1:8000")
    if parts.username or parts.password:
        message = (
            "the URL of a service carries a user or password, which would be logged: put the key into the environment"
        )
        raise InvalidInputError(message)
    return url.rstrip("/")

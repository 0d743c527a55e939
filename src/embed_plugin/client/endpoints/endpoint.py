"""What the client knows of an HTTP API: the calls it takes, and how its answers are read. No input or output here."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from embed_plugin.client.response_errors import refusal_of
from embed_plugin.errors import EndpointError, InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import httpx
    import numpy as np
    import numpy.typing as npt

    from embed_plugin.errors import EmbedPluginError
    from embed_plugin.types import Role, Vectors

OnLong: TypeAlias = Literal["truncate", "error"] | None

T = TypeVar("T")


@dataclass(frozen=True)
class Space:
    """A vector space that an endpoint serves.

    Attributes:
        fingerprint: Its identity: equal fingerprints, comparable vectors.
        dimension: Length of a vector.
        max_tokens: Token limit of one text.
        model: The model's name.
        most_texts: Most texts of one request that the endpoint takes.
    """

    fingerprint: str
    dimension: int
    max_tokens: int
    model: str
    most_texts: int


@dataclass(frozen=True)
class Answer:
    """What an endpoint answered to one request.

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
class Counts:
    """How many tokens texts have.

    Attributes:
        tokens: int64 ``(n,)``, in the order of the request.
        fingerprint: Identity of the space whose tokenizer counted.
        model: The model's name.
    """

    tokens: npt.NDArray[np.int64]
    fingerprint: str
    model: str


@dataclass(frozen=True)
class Call(Generic[T]):
    """One request to an endpoint, and how its answer is read.

    Attributes:
        method: ``GET`` or ``POST``.
        path: Added to the endpoint's URL.
        read: Turns a successful response into a value; raises ValueError, KeyError or TypeError where that is not
            what the endpoint should answer.
        body: Sent as JSON.
        headers: Besides those of every request.
    """

    method: str
    path: str
    read: Callable[[httpx.Response], T]
    body: Mapping[str, object] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)


class Endpoint(ABC):
    """An embedding service at a URL. Its key comes from the environment and is never part of it."""

    url: str
    key_variable: str

    @property
    def name(self) -> str:
        """What messages, results and the log call it."""
        return self.url

    @property
    def space(self) -> Space | None:
        """The space it serves where that is known beforehand; else ``None``, and :meth:`describe` asks."""
        return None

    @property
    def needs_key(self) -> bool:
        """Whether it can be called without a key."""
        return True

    def authorization(self) -> dict[str, str]:
        """The header that carries the key.

        Raises:
            InvalidInputError: a key is needed, and the environment has none.
        """
        key = os.environ.get(self.key_variable, "").strip()
        if key:
            return {"Authorization": f"Bearer {key}"}
        if self.needs_key:
            raise InvalidInputError(f"{self.name} needs a key: set the environment variable {self.key_variable}")
        return {}

    def deadline(self, seconds: float) -> dict[str, str]:
        """The header that tells the endpoint when the caller will have given up, where it knows one."""
        del seconds
        return {}

    def refusal(self, response: httpx.Response) -> EmbedPluginError:
        """The error that a response other than a success means."""
        return refusal_of(self.name, response, key_variable=self.key_variable)

    def describe(self) -> Call[Space]:
        """Ask which space it serves."""
        raise EndpointError(self.name, "does not describe itself")

    def count_tokens(self, texts: Sequence[str], *, role: Role) -> Call[Counts]:
        """Count the tokens of each text.

        Raises:
            EndpointError: it counts none.
        """
        del texts, role
        raise EndpointError(
            self.name, "counts no tokens: cut texts with the model's own tokenizer before embedding them"
        )

    @abstractmethod
    def embed(self, texts: Sequence[str], *, role: Role, fingerprint: str, on_long: OnLong) -> Call[Answer]:
        """Embed texts in the space of this fingerprint."""


def checked_url(url: str) -> str:
    """The URL without a slash at its end.

    Raises:
        InvalidInputError: it is not the URL of an HTTP service, or carries a password.
    """
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:  # a port that is none, a bracket left open
        usable = False
    if not usable or parts.query or parts.fragment:
        raise InvalidInputError(f"{url!r} is not the URL of a service; expected one like http://127.0.0.1:8000")
    if parts.username or parts.password:
        message = (
            "the URL of a service carries a user or password, which would be logged: put the key into the environment"
        )
        raise InvalidInputError(message)
    return url.rstrip("/")

"""The APIs of OpenAI, which many servers implement, and of Cohere."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import numpy as np

from embed_plugin.client.endpoints.endpoint import (
    ANSWER_BYTES,
    ApiRequest,
    EmbedResponse,
    Endpoint,
    OnLong,
    Space,
    checked_url,
)
from embed_plugin.client.response_content import json_content, normalised, numbers, shown, whole_number
from embed_plugin.errors import InvalidInputError
from embed_plugin.model.identity import fingerprint_of_api_model
from embed_plugin.model.instruction import with_instruction
from embed_plugin.wire import FLOAT_TYPE

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx
    import numpy.typing as npt

    from embed_plugin.types import Role

OPENAI_URL = "https://api.openai.com/v1"
COHERE_URL = "https://api.cohere.com"

OPENAI_MOST_TEXTS = 2048
COHERE_MOST_TEXTS = 96
"""Most texts of one request, from the APIs' documentation."""

_NUMBER_BYTES, _ROW_BYTES, _CHARACTER_BYTES = 32, 1024, 12
"""JSON at its longest: a number, all beside the numbers of a vector, and an escaped character of a text."""

_COHERE_INPUT_TYPES = {"document": "search_document", "query": "search_query"}
_COHERE_TRUNCATE = {"truncate": "END", "error": "NONE", None: "END"}


@dataclass(frozen=True)
class CloudEndpoint(Endpoint):
    """A model behind an API that identifies it by name alone.

    The fingerprint is derived from provider, model and dimension, so vectors of the same name are assumed to be
    comparable: a model that the provider changes under its name is not detected.

    Attributes:
        model: The model's name in the API.
        dimension: Length of a vector; a response with another length is refused.
        url: Base URL of the API.
        key_variable: The environment variable with the key.
        shorten: Request vectors shortened to ``dimension``; only some models support it.
        max_tokens: Token limit of one text, from the model's documentation.
        provider: Part of the fingerprint; by default the host of ``url``. Two hosts of the very same model share a
            space only where the caller gives them the same provider.
    """

    model: str
    dimension: int
    url: str
    key_variable: str
    shorten: bool = False
    max_tokens: int = 8192
    provider: str | None = None

    def __post_init__(self) -> None:
        """Validate URL, model and dimension."""
        object.__setattr__(self, "url", checked_url(self.url))
        if not self.model or type(self.dimension) is not int or self.dimension < 1:
            found = f"model {self.model!r} with dimension {self.dimension!r}"
            raise InvalidInputError(f"{found}; expected the model's name at {self.url} and the length of its vectors")

    @property
    def name(self) -> str:
        """URL and model."""
        return f"{self.url} {self.model}"

    @property
    def space(self) -> Space:
        """The space, known without a request."""
        return Space(self._fingerprint, self.dimension, self.max_tokens, self.model, self._most_texts)

    @property
    def _fingerprint(self) -> str:
        provider = self.provider or urlsplit(self.url).netloc
        return fingerprint_of_api_model(provider, self.model, self.dimension)

    @property
    def _most_texts(self) -> int:
        return OPENAI_MOST_TEXTS

    def _answer(self, rows: Sequence[npt.NDArray[np.floating]]) -> EmbedResponse:
        """Check the vectors, and scale them to unit length: not every compatible server does."""
        return EmbedResponse(normalised(rows, self.dimension), self.space.fingerprint, self.model)

    def _most_bytes(self, texts: Sequence[str]) -> int:
        """Size limit of a response: numbers as JSON, and the texts, which Cohere's API repeats."""
        vectors = len(texts) * (self.dimension * _NUMBER_BYTES + _ROW_BYTES)
        return vectors + sum(map(len, texts)) * _CHARACTER_BYTES + ANSWER_BYTES


@dataclass(frozen=True)
class OpenAIEndpoint(CloudEndpoint):
    """A model behind OpenAI's API, or any that is compatible with it.

    The API does not distinguish queries from documents; give the prefixes of a model that has some.

    Attributes:
        query_prefix: Put before every query; part of the fingerprint.
        document_prefix: The same for documents.
    """

    url: str = OPENAI_URL
    key_variable: str = "OPENAI_API_KEY"
    query_prefix: str = ""
    document_prefix: str = ""

    @property
    def needs_key(self) -> bool:
        """True for OpenAI's own URL; a compatible server often requires none."""
        return self.url == OPENAI_URL

    def embed(
        self, texts: Sequence[str], *, role: Role, space: Space, on_long: OnLong, instruction: str | None = None
    ) -> ApiRequest[EmbedResponse]:
        """``POST /embeddings``. OpenAI refuses a text that is too long, and ``on_long`` changes nothing."""
        del space, on_long
        prefix = self.query_prefix if role == "query" else self.document_prefix
        if instruction is not None:
            prefix = with_instruction(prefix, instruction, role)
        prefixed = [prefix + text for text in texts]
        body: dict[str, object] = {"model": self.model, "input": prefixed, "encoding_format": "base64"}
        if self.shorten:
            body["dimensions"] = self.dimension
        read = partial(self._read, len(texts))
        return ApiRequest("POST", "/embeddings", read, body, most_bytes=self._most_bytes(prefixed))

    @property
    def _fingerprint(self) -> str:
        prefixes = [self.query_prefix, self.document_prefix]
        return super()._fingerprint + (f"/{prefixes}" if any(prefixes) else "")

    def _read(self, count: int, response: httpx.Response) -> EmbedResponse:
        items = json_content(response)["data"]
        if not isinstance(items, list) or len(items) != count:
            raise ValueError(f"data is {shown(items)}, expected {count} vectors")
        rows = {whole_number(item, "index", least=0, most=count - 1): _row(item["embedding"]) for item in items}
        return self._answer([rows[index] for index in range(count)])


@dataclass(frozen=True)
class CohereEndpoint(CloudEndpoint):
    """A model behind Cohere's API, which encodes queries and documents differently."""

    url: str = COHERE_URL
    key_variable: str = "COHERE_API_KEY"
    max_tokens: int = 512

    @property
    def _most_texts(self) -> int:
        return COHERE_MOST_TEXTS

    def embed(
        self, texts: Sequence[str], *, role: Role, space: Space, on_long: OnLong, instruction: str | None = None
    ) -> ApiRequest[EmbedResponse]:
        """``POST /v2/embed``."""
        if instruction is not None:
            raise InvalidInputError(f"{self.name} takes no instruction: leave it out")
        del space
        body: dict[str, object] = {
            "model": self.model,
            "texts": texts,
            "input_type": _COHERE_INPUT_TYPES[role],
            "embedding_types": ["float"],
            "truncate": _COHERE_TRUNCATE[on_long],
        }
        if self.shorten:
            body["output_dimension"] = self.dimension
        read = partial(self._read, len(texts))
        return ApiRequest("POST", "/v2/embed", read, body, most_bytes=self._most_bytes(texts))

    def _read(self, count: int, response: httpx.Response) -> EmbedResponse:
        rows = json_content(response)["embeddings"]["float"]
        if not isinstance(rows, list) or len(rows) != count:
            raise ValueError(f"embeddings are {shown(rows)}, expected {count} vectors")
        return self._answer([numbers(row) for row in rows])


def _row(embedding: object) -> npt.NDArray[np.floating]:
    """Decode a vector: base64 of float32, or numbers from a server that ignores ``encoding_format``."""
    if isinstance(embedding, str):
        return np.frombuffer(base64.b64decode(embedding, validate=True), dtype=FLOAT_TYPE)
    return numbers(embedding)

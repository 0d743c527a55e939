"""The API of ``embed-plugin serve``: texts are sent as JSON, vectors received as float32 bytes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.client.endpoints.endpoint import (
    ApiRequest,
    CountResponse,
    EmbedResponse,
    Endpoint,
    OnLong,
    Space,
    checked_url,
)
from embed_plugin.client.response_errors import reported_error
from embed_plugin.errors import InvalidTextError, OtherSpaceError
from embed_plugin.wire import (
    COUNT_TOKENS_PATH,
    DEADLINE_HEADER,
    DIMENSION_HEADER,
    EMBED_PATH,
    FINGERPRINT_HEADER,
    FLOAT_TYPE,
    FLOATS,
    INFO_PATH,
    MODEL_HEADER,
    TRUNCATED_HEADER,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from embed_plugin.errors import EmbedPluginError
    from embed_plugin.types import Role
    from embed_plugin.wire import CountBody, CountContent, EmbedBody, ErrorCode, InfoContent

_OTHER_MODEL: ErrorCode = "model_not_found"

OTHER_SPACE_REMEDY = (
    "Vectors of two models cannot be compared: serve the same model there, or take them with "
    "embed(..., on_other_space='return') into a collection of their own"
)


@dataclass(frozen=True)
class ServiceEndpoint(Endpoint):
    """A running ``embed-plugin serve``.

    Attributes:
        url: Where it listens: ``http://127.0.0.1:8000``.
        key_variable: The environment variable with its key, if it requires one.
    """

    url: str
    key_variable: str = "EMBED_PLUGIN_KEY"

    def __post_init__(self) -> None:
        """Validate the URL."""
        object.__setattr__(self, "url", checked_url(self.url))

    @property
    def needs_key(self) -> bool:
        """False: a service on this machine usually requires none."""
        return False

    def deadline(self, seconds: float) -> dict[str, str]:
        """Return the header after whose time the service stops, as its client does."""
        return {DEADLINE_HEADER: str(max(1, round(seconds * 1000)))}

    def describe(self) -> ApiRequest[Space]:
        """``GET /info``."""
        return ApiRequest("GET", INFO_PATH, _space)

    def count_tokens(self, texts: Sequence[str], *, role: Role) -> ApiRequest[CountResponse]:
        """``POST /count_tokens``."""
        body: CountBody = {"texts": list(texts), "role": role}
        return ApiRequest("POST", COUNT_TOKENS_PATH, partial(_counts, len(texts)), {**body})

    def embed(
        self, texts: Sequence[str], *, role: Role, fingerprint: str, on_long: OnLong
    ) -> ApiRequest[EmbedResponse]:
        """``POST /embed``; a service of another model refuses the fingerprint before it computes anything."""
        truncate = None if on_long is None else on_long == "truncate"
        body: EmbedBody = {"texts": list(texts), "role": role, "model": fingerprint, "truncate": truncate}
        return ApiRequest("POST", EMBED_PATH, partial(_answer, len(texts)), {**body}, {"Accept": FLOATS})

    def error_of(self, response: httpx.Response) -> EmbedPluginError:
        """Make the error of a response; where the service has not this model, OtherSpaceError."""
        reported = reported_error(response)
        if response.status_code == HTTPStatus.NOT_FOUND and reported.code == _OTHER_MODEL:
            return OtherSpaceError(self.name, f"serves another model ({reported.message}). {OTHER_SPACE_REMEDY}")
        error = super().error_of(response)
        if isinstance(error, InvalidTextError):  # the client puts the caller's index there
            return InvalidTextError(error.index, re.sub(r"^text \d+:? ", "", error.problem))
        return error


def _space(response: httpx.Response) -> Space:
    content: InfoContent = response.json()
    return Space(
        fingerprint=str(content["fingerprint"]),
        dimension=int(content["dimension"]),
        max_tokens=int(content["max_tokens"]),
        model=str(content["model"]),
        most_texts=int(content["limits"]["texts"]),
    )


def _answer(count: int, response: httpx.Response) -> EmbedResponse:
    headers = response.headers
    dimension = int(headers[DIMENSION_HEADER])
    vectors = np.frombuffer(response.content, dtype=FLOAT_TYPE).reshape(count, dimension).astype(np.float32)
    truncated = tuple(int(index) for index in headers[TRUNCATED_HEADER].split(",") if index.strip())
    return EmbedResponse(vectors, headers[FINGERPRINT_HEADER], headers[MODEL_HEADER], truncated)


def _counts(count: int, response: httpx.Response) -> CountResponse:
    content: CountContent = response.json()
    tokens = np.array(content["tokens"], dtype=np.int64)
    if tokens.shape != (count,):
        raise ValueError(f"counts of shape {tokens.shape} for {count} texts")
    return CountResponse(tokens, str(content["fingerprint"]), str(content["model"]))

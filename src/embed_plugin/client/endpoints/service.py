"""The API of ``embed-plugin serve``: texts are sent as JSON, vectors received as float32 bytes."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass, replace
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import numpy as np

from embed_plugin.client.endpoints.endpoint import (
    ANSWER_BYTES,
    ApiRequest,
    CountResponse,
    EmbedResponse,
    Endpoint,
    OnLong,
    ScoreResponse,
    Space,
    checked_url,
)
from embed_plugin.client.response_content import (
    MOST_DIMENSIONS,
    MOST_TOKENS,
    float_content,
    json_content,
    ranked_scores,
    shown,
    text,
    token_counts,
    whole_number,
)
from embed_plugin.client.response_errors import error_of_response, reported_error
from embed_plugin.errors import InvalidTextError, OtherSpaceError
from embed_plugin.model.matryoshka import Matryoshka
from embed_plugin.model.template import fields_in
from embed_plugin.wire import (
    COUNT_TOKENS_PATH,
    DEADLINE_HEADER,
    DIMENSION_HEADER,
    EMBED_PATH,
    ERROR_CODES,
    FINGERPRINT_HEADER,
    FLOAT_TYPE,
    FLOATS,
    INFO_PATH,
    MODEL_HEADER,
    RERANK_PATH,
    TRUNCATED_HEADER,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import httpx

    from embed_plugin.errors import EmbedPluginError
    from embed_plugin.types import Role
    from embed_plugin.wire import CountBody, EmbedBody, ErrorCode

_COUNT_BYTES = 16
"""JSON of a token count: at most ten digits, a comma and white space."""

_RESULT_BYTES = 96
"""JSON of a score with its index: at most 20 digits each, and the names of both."""

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
        model: Name or fingerprint of the model, where it serves several; None: its first embedding model, or its first
            of all where it has none.
    """

    url: str
    key_variable: str = "EMBED_PLUGIN_KEY"
    model: str | None = None

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
        path = INFO_PATH if self.model is None else f"{INFO_PATH}?{urlencode({'model': self.model})}"
        return ApiRequest("GET", path, _space)

    def count_tokens(self, texts: Sequence[str], *, role: Role) -> ApiRequest[CountResponse]:
        """``POST /count_tokens``."""
        body: CountBody = {"texts": list(texts), "role": role}
        if self.model is not None:  # releases before it refuse the field
            body["model"] = self.model
        most_bytes = len(texts) * _COUNT_BYTES + ANSWER_BYTES
        return ApiRequest("POST", COUNT_TOKENS_PATH, partial(_counts, len(texts)), {**body}, most_bytes=most_bytes)

    def embed(
        self, texts: Sequence[str], *, role: Role, space: Space, on_long: OnLong, instruction: str | None = None
    ) -> ApiRequest[EmbedResponse]:
        """``POST /embed``; a service of another model refuses the fingerprint before it computes anything."""
        truncate = None if on_long is None else on_long == "truncate"
        heads = list(texts) if on_long == "error" else [_head(each, space.most_characters) for each in texts]
        body: EmbedBody = {"texts": heads, "role": role, "model": space.model_fingerprint, "truncate": truncate}
        if instruction is not None:  # releases before it refuse the field
            body["instruction"] = instruction
        if space.cut_from is not None:
            body["dimension"] = space.dimension
        read = partial(_answer, texts, heads, space)
        vector_bytes = len(texts) * space.dimension * np.dtype(FLOAT_TYPE).itemsize
        return ApiRequest("POST", EMBED_PATH, read, {**body}, {"Accept": FLOATS}, vector_bytes + ANSWER_BYTES)

    def score(
        self, query: str, texts: Sequence[str], *, space: Space, on_long: OnLong, instruction: str | None = None
    ) -> ApiRequest[ScoreResponse]:
        """``POST /rerank``, in the form whose scores are the model's own."""
        body: dict[str, object] = {"query": query, "documents": list(texts), "model": space.fingerprint}
        if on_long is not None:
            body["truncate"] = on_long == "truncate"
        if instruction is not None:
            body["instruction"] = instruction
        most_bytes = len(texts) * _RESULT_BYTES + ANSWER_BYTES
        return ApiRequest("POST", RERANK_PATH, partial(_scores, len(texts)), body, most_bytes=most_bytes)

    def error_of(self, response: httpx.Response) -> EmbedPluginError:
        """Make the error of a response; where the service has not this model, OtherSpaceError."""
        reported = reported_error(response)
        if response.status_code == HTTPStatus.NOT_FOUND and reported.code == _OTHER_MODEL:
            return OtherSpaceError(self.name, f"serves another model ({reported.message}). {OTHER_SPACE_REMEDY}")
        if reported.code not in ERROR_CODES:  # of something on the way there
            reported = replace(reported, from_api=False)
        error = error_of_response(self.name, response, reported, key_variable=self.key_variable)
        if isinstance(error, InvalidTextError):  # the client puts the caller's index there
            return InvalidTextError(error.index, re.sub(r"^text \d+:? ", "", error.problem))
        return error


def _space(response: httpx.Response) -> Space:
    content = json_content(response)
    limits = content["limits"]
    if not isinstance(limits, dict):
        raise TypeError(f"limits is {shown(limits)}, expected an object")
    return Space(
        fingerprint=text(content, "fingerprint"),
        dimension=whole_number(content, "dimension", most=MOST_DIMENSIONS),
        max_tokens=whole_number(content, "max_tokens", most=MOST_TOKENS),
        model=text(content, "model"),
        most_texts=whole_number(limits, "texts", most=sys.maxsize),
        most_characters=whole_number(limits, "text_characters", most=sys.maxsize),
        document_fields=fields_in(str(content.get("document_prefix", ""))),
        matryoshka=_matryoshka(content.get("matryoshka")),
    )


def _matryoshka(content: object) -> Matryoshka | None:
    """Read how vectors may be cut; releases before it say nothing."""
    if content is None:
        return None
    if not isinstance(content, dict) or not isinstance(content["lengths"], list):
        raise TypeError(f"matryoshka is {shown(content)}, expected lengths and a layer_norm")
    if not isinstance(content["layer_norm"], bool):
        raise TypeError(f"layer_norm is {shown(content['layer_norm'])}, expected true or false")
    lengths = [whole_number({"a length": each}, "a length", most=MOST_DIMENSIONS) for each in content["lengths"]]
    return Matryoshka(tuple(lengths), content["layer_norm"])


def _head(long: str, most_characters: int | None) -> str:
    """Return the start of a text that the service would refuse for its length, although it cuts at the token limit.

    It ends before white space: the tokens of what is before are the same whatever follows. A text without any near the
    limit is sent whole.
    """
    if most_characters is None or len(long) <= most_characters:
        return long
    ends = range(most_characters, most_characters // 2, -1)
    return long[: next((at for at in ends if long[at].isspace() and not long[at - 1].isspace()), len(long))]


def _answer(texts: Sequence[str], heads: Sequence[str], space: Space, response: httpx.Response) -> EmbedResponse:
    headers, count = response.headers, len(texts)
    fingerprint, dimension = headers[FINGERPRINT_HEADER], int(headers[DIMENSION_HEADER])
    if fingerprint == space.fingerprint and dimension != space.dimension:
        raise ValueError(f"vectors of the dimension {dimension}, expected {space.dimension}")
    vectors = float_content(response, count, dimension)
    truncated = tuple(int(index) for index in headers[TRUNCATED_HEADER].split(",") if index.strip())
    if not all(0 <= index < count for index in truncated):
        raise ValueError(f"cut texts {shown(truncated)}, expected indices of {count} texts")
    for index, (whole, head) in enumerate(zip(texts, heads, strict=True)):
        if len(head) < len(whole) and index not in truncated:  # the rest of it would have changed the vector
            found = f"has {len(whole):,} characters, the service takes {space.most_characters:,}"
            raise InvalidTextError(index, f"{found}, and these have no more tokens than the model takes: split it")
    return EmbedResponse(vectors, fingerprint, headers[MODEL_HEADER], truncated)


def _scores(count: int, response: httpx.Response) -> ScoreResponse:
    headers = response.headers
    scores = ranked_scores(json_content(response), count)
    truncated = tuple(int(index) for index in headers[TRUNCATED_HEADER].split(",") if index.strip())
    if not all(0 <= index < count for index in truncated):
        raise ValueError(f"cut texts {shown(truncated)}, expected indices of {count} texts")
    return ScoreResponse(scores, headers[FINGERPRINT_HEADER], headers[MODEL_HEADER], truncated)


def _counts(count: int, response: httpx.Response) -> CountResponse:
    content = json_content(response)
    tokens = np.array(token_counts(content, count), dtype=np.int64)
    return CountResponse(tokens, text(content, "fingerprint"), text(content, "model"))

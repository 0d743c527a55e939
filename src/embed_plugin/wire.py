"""The HTTP interface of ``embed-plugin serve``: paths, headers, media types, JSON fields and error codes.

The service and its client both import this module, so each name is written once. :func:`retry_after_seconds` also reads
the Retry-After header of other servers.
"""

from __future__ import annotations

import math
import re
import time
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Literal, NotRequired, TypeAlias, TypedDict, get_args

EMBED_PATH = "/embed"
COUNT_TOKENS_PATH = "/count_tokens"
INFO_PATH = "/info"
RERANK_PATH = "/rerank"
EMBED_SPARSE_PATH = "/embed_sparse"
EMBED_LATE_PATH = "/embed_late"

JSON = "application/json"
FLOATS = "application/octet-stream"
"""Vectors as row-major little-endian float32, ``(n, dimension)``: :data:`FLOAT_TYPE`."""

LINES = "application/x-ndjson"
FLOAT_TYPE = "<f4"
"""numpy's name of a vector's component in binary and in base64."""

DEADLINE_HEADER = "Embed-Deadline-Ms"
"""Of a request: milliseconds after which its client gives up."""

MODEL_HEADER = "Embed-Model"
FINGERPRINT_HEADER = "Embed-Fingerprint"
DIMENSION_HEADER = "Embed-Dimension"
TOKENS_HEADER = "Embed-Tokens"
TRUNCATED_HEADER = "Embed-Truncated"
"""Of a response: indices of the texts cut at the token limit, separated by commas."""

RETRY_AFTER_HEADER = "Retry-After"

ErrorCode: TypeAlias = Literal[
    "invalid_request",
    "invalid_text",
    "unauthorized",
    "not_found",
    "method_not_allowed",
    "model_not_found",
    "body_too_slow",
    "body_too_large",
    "too_many_texts",
    "text_too_long",
    "overloaded",
    "not_ready",
    "draining",
    "deadline_exceeded",
    "internal",
]
"""The field ``code`` of an error."""

ERROR_CODES: tuple[ErrorCode, ...] = get_args(ErrorCode)

STATUS: dict[ErrorCode, int] = {
    "invalid_request": 422,
    "invalid_text": 422,
    "unauthorized": 401,
    "not_found": 404,
    "method_not_allowed": 405,
    "model_not_found": 404,
    "body_too_slow": 408,
    "body_too_large": 413,
    "too_many_texts": 413,
    "text_too_long": 413,
    "overloaded": 429,
    "not_ready": 503,
    "draining": 503,
    "deadline_exceeded": 504,
    "internal": 500,
}
"""The HTTP status of each error code."""


class EmbedBody(TypedDict):
    """JSON of ``POST /embed``."""

    texts: list[str]
    role: Literal["document", "query"]
    model: str | None
    truncate: bool | None
    instruction: NotRequired[str]
    dimension: NotRequired[int]


class CountBody(TypedDict):
    """JSON of ``POST /count_tokens``."""

    texts: list[str]
    role: Literal["document", "query"]
    model: NotRequired[str]


class CountContent(TypedDict):
    """JSON that answers ``POST /count_tokens``."""

    tokens: list[int]
    model: str
    fingerprint: str
    max_tokens: int


class LimitsContent(TypedDict):
    """Limits of one request, a part of :class:`InfoContent`."""

    texts: int
    text_characters: int
    body_bytes: int


class MatryoshkaContent(TypedDict):
    """Lengths that a model's vectors may be cut to (empty: any), and how; a part of :class:`ModelContent`."""

    lengths: list[int]
    layer_norm: bool


class ModelContent(TypedDict):
    """A model that is served, a part of :class:`InfoContent`."""

    model: str
    kind: str
    fingerprint: str
    dimension: int
    max_tokens: int
    precision: str
    pooling: str
    query_prefix: str
    document_prefix: str
    matryoshka: MatryoshkaContent | None


class InfoContent(ModelContent):
    """JSON that answers ``GET /info``: one model, the limits, and all models."""

    version: str
    models: list[ModelContent]
    limits: LimitsContent


class ErrorFields(TypedDict):
    """An error's code, its message, and the index of the text at fault, if there is one."""

    code: ErrorCode
    message: str
    index: int | None


class ErrorContent(TypedDict):
    """JSON of every error outside ``/v1``."""

    error: ErrorFields


def retry_after_seconds(value: str | None, *, date: str | None = None) -> float | None:
    """Read a Retry-After header: delta-seconds or an HTTP date (RFC 9110, section 10.2.3).

    A fraction of a second is accepted although the RFC allows whole seconds only: some servers send one, and retrying
    before it has passed would be too early.

    Args:
        value: The header, or ``None`` where it is absent.
        date: The response's ``Date`` header. A date in ``value`` is compared with it rather than with the local clock,
            because the two clocks may differ.

    Returns:
        Seconds to wait, at least 0 and finite; ``None`` where the header is absent or is neither.
    """
    value = (value or "").strip()
    if re.fullmatch(r"\d+(\.\d+)?", value, re.ASCII):
        seconds = float(value)
        return seconds if math.isfinite(seconds) else None
    then = _timestamp(value)
    if then is None:
        return None
    now = _timestamp(date or "")
    return max(0.0, then - (time.time() if now is None else now))


def _timestamp(date: str) -> float | None:
    try:
        when = parsedate_to_datetime(date)
        return when.replace(tzinfo=when.tzinfo or UTC).timestamp()
    except (ValueError, OverflowError):
        return None

"""Builds responses: vectors as JSON, raw float32 or JSON lines, and errors."""

from __future__ import annotations

import asyncio
import base64
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response, StreamingResponse

from embed_plugin.errors import EmbedPluginError
from embed_plugin.serve.request_errors import RequestError
from embed_plugin.wire import (
    DIMENSION_HEADER,
    FINGERPRINT_HEADER,
    FLOAT_TYPE,
    FLOATS,
    JSON,
    LINES,
    MODEL_HEADER,
    TOKENS_HEADER,
    TRUNCATED_HEADER,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterable

    from embed_plugin.serve.models.served import ServedModel
    from embed_plugin.serve.request_record import RequestRecord
    from embed_plugin.serve.scheduler import RequestJob
    from embed_plugin.types import Vectors


def headers_of(model: ServedModel, job: RequestJob | None = None) -> dict[str, str]:
    """Headers of a response; with ``job``, which must be complete, also those about its texts."""
    headers = {
        MODEL_HEADER: model.name.encode("ascii", "backslashreplace").decode(),
        FINGERPRINT_HEADER: model.fingerprint,
        DIMENSION_HEADER: str(model.dimension),
    }
    if job is not None:
        headers[TOKENS_HEADER] = str(job.tokens)
        headers[TRUNCATED_HEADER] = ",".join(map(str, job.truncated))
    return headers


def json_response(content: object, *, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """Make a JSON response; the content may hold numpy arrays."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, JSON)


def error_response(error: RequestError, path: str) -> Response:
    """Make an error response in the shape of the API that the path belongs to."""
    return json_response(error.body(path), headers=error.headers(), status=error.status(path))


def vectors_as_json(vectors: Vectors, job: RequestJob, model: ServedModel, record: RequestRecord) -> Response:
    """Make the response of ``POST /embed``."""
    content = {
        "embeddings": vectors,
        "latency_ms": round(1000 * record.seconds, 3),
        "model": model.name,
        "fingerprint": model.fingerprint,
        "dimension": model.dimension,
        "usage": {"texts": len(vectors), "tokens": job.tokens},
        "truncated": job.truncated,
    }
    return json_response(content, headers=headers_of(model, job))


def vectors_as_floats(vectors: Vectors, job: RequestJob, model: ServedModel) -> Response:
    """Make the response of row-major little-endian float32, ``(n, dimension)``."""
    return Response(vectors.astype(FLOAT_TYPE, copy=False).tobytes(), 200, headers_of(model, job), FLOATS)


def vectors_as_lines(job: RequestJob, model: ServedModel, record: RequestRecord) -> Response:
    """Stream one JSON object for each vector, window by window, and a last one with the usage or the error."""
    return StreamingResponse(_lines(job, record), 200, headers_of(model), LINES)


async def _lines(job: RequestJob, record: RequestRecord) -> AsyncIterator[bytes]:
    index = 0
    windows = job.stream()
    try:
        # The deadline limits the wait alone, so that it never expires while a line is being sent.
        while (vectors := await asyncio.wait_for(anext(windows, None), record.seconds_left)) is not None:
            yield b"".join(_line({"index": index + row, "embedding": each}) for row, each in enumerate(vectors))
            index += len(vectors)
    except TimeoutError:
        yield _last_line(
            RequestError("deadline_exceeded", f"{index} of {record.texts} texts were encoded in time"), record
        )
    except RequestError as error:
        yield _last_line(error, record)
    except EmbedPluginError as error:
        yield _last_line(RequestError("internal", str(error)), record)
    else:
        usage = {"texts": index, "tokens": job.tokens}
        yield _line({"done": True, "usage": usage, "truncated": job.truncated})


def _last_line(error: RequestError, record: RequestRecord) -> bytes:
    record.code = error.code
    return _line(error.body(""))


def _line(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def openai_embeddings(vectors: Vectors, job: RequestJob, model: ServedModel, *, as_base64: bool) -> Response:
    """Make the response of ``POST /v1/embeddings``."""
    encoded: Iterable[Any] = map(_base64, vectors) if as_base64 else vectors
    content = {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(encoded)],
        "model": model.name,
        "usage": {"prompt_tokens": job.tokens, "total_tokens": job.tokens},
    }
    return json_response(content, headers=headers_of(model, job))


def _base64(row: Vectors) -> str:
    return base64.b64encode(row.astype(FLOAT_TYPE, copy=False).tobytes()).decode()

"""Vectors as JSON, as raw float32, as lines of JSON; and refusals."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
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

    from embed_plugin.serve.request_record import RequestRecord
    from embed_plugin.serve.scheduler import RequestJob
    from embed_plugin.types import Vectors


@dataclass(frozen=True)
class ServedModel:
    """The name of the model that is served, and the space of its vectors."""

    name: str
    fingerprint: str
    dimension: int

    def headers(self, job: RequestJob | None = None) -> dict[str, str]:
        """What every form of an answer says in its head; of its texts only where they are all encoded."""
        headers = {
            MODEL_HEADER: self.name.encode("ascii", "backslashreplace").decode(),
            FINGERPRINT_HEADER: self.fingerprint,
            DIMENSION_HEADER: str(self.dimension),
        }
        if job is not None:
            headers[TOKENS_HEADER] = str(job.tokens)
            headers[TRUNCATED_HEADER] = ",".join(map(str, job.truncated))
        return headers


def json_response(content: object, *, headers: dict[str, str] | None = None, status: int = 200) -> Response:
    """JSON, in which arrays may be numpy's."""
    return Response(orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY), status, headers, JSON)


def error_response(error: RequestError, path: str) -> Response:
    """An error in the shape of the API that the path belongs to."""
    return json_response(error.body(path), headers=error.headers(), status=error.status(path))


def vectors_as_json(vectors: Vectors, job: RequestJob, model: ServedModel, record: RequestRecord) -> Response:
    """The answer of ``POST /embed``."""
    content = {
        "embeddings": vectors,
        "latency_ms": round(1000 * record.seconds, 3),
        "model": model.name,
        "fingerprint": model.fingerprint,
        "dimension": model.dimension,
        "usage": {"texts": len(vectors), "tokens": job.tokens},
        "truncated": job.truncated,
    }
    return json_response(content, headers=model.headers(job))


def vectors_as_floats(vectors: Vectors, job: RequestJob, model: ServedModel) -> Response:
    """Row-major little-endian float32, ``n x dimension``."""
    return Response(vectors.astype(FLOAT_TYPE, copy=False).tobytes(), 200, model.headers(job), FLOATS)


def vectors_as_lines(job: RequestJob, model: ServedModel, record: RequestRecord) -> Response:
    """One JSON object a vector, sent window by window, and a last one that says how it ended."""
    return StreamingResponse(_lines(job, record), 200, model.headers(), LINES)


async def _lines(job: RequestJob, record: RequestRecord) -> AsyncIterator[bytes]:
    index = 0
    windows = job.stream()
    try:
        # The deadline is for waiting alone, so that it never strikes while a line is sent.
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
    """The answer of ``POST /v1/embeddings``."""
    encoded: Iterable[Any] = map(_base64, vectors) if as_base64 else vectors
    content = {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(encoded)],
        "model": model.name,
        "usage": {"prompt_tokens": job.tokens, "total_tokens": job.tokens},
    }
    return json_response(content, headers=model.headers(job))


def _base64(row: Vectors) -> str:
    return base64.b64encode(row.astype(FLOAT_TYPE, copy=False).tobytes()).decode()

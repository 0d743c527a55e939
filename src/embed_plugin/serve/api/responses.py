"""Vectors as JSON, as raw float32, as lines of JSON; and refusals."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import orjson
from starlette.responses import Response, StreamingResponse

from embed_plugin.errors import EmbedPluginError
from embed_plugin.serve.refusals import Refusal
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

    from embed_plugin.serve.request_record import Call
    from embed_plugin.serve.scheduler import Job
    from embed_plugin.types import Vectors


@dataclass(frozen=True)
class Space:
    """Whose vectors they are."""

    model: str
    fingerprint: str
    dimension: int

    def headers(self, job: Job | None = None) -> dict[str, str]:
        """What every form of an answer says in its head; of its texts only where they are all encoded."""
        headers = {
            MODEL_HEADER: self.model.encode("ascii", "backslashreplace").decode(),
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


def refusal_response(refusal: Refusal, path: str) -> Response:
    """An error in the shape of the API that the path belongs to."""
    return json_response(refusal.body(path), headers=refusal.headers(), status=refusal.status(path))


def vectors_as_json(vectors: Vectors, job: Job, space: Space, call: Call) -> Response:
    """The answer of ``POST /embed``."""
    content = {
        "embeddings": vectors,
        "latency_ms": round(1000 * call.seconds, 3),
        "model": space.model,
        "fingerprint": space.fingerprint,
        "dimension": space.dimension,
        "usage": {"texts": len(vectors), "tokens": job.tokens},
        "truncated": job.truncated,
    }
    return json_response(content, headers=space.headers(job))


def vectors_as_floats(vectors: Vectors, job: Job, space: Space) -> Response:
    """Row-major little-endian float32, ``n x dimension``."""
    return Response(vectors.astype(FLOAT_TYPE, copy=False).tobytes(), 200, space.headers(job), FLOATS)


def vectors_as_lines(job: Job, space: Space, call: Call) -> Response:
    """One JSON object a vector, sent window by window, and a last one that says how it ended."""
    return StreamingResponse(_lines(job, call), 200, space.headers(), LINES)


async def _lines(job: Job, call: Call) -> AsyncIterator[bytes]:
    index = 0
    windows = job.stream()
    try:
        # The deadline is for waiting alone, so that it never strikes while a line is sent.
        while (vectors := await asyncio.wait_for(anext(windows, None), call.seconds_left)) is not None:
            yield b"".join(_line({"index": index + row, "embedding": each}) for row, each in enumerate(vectors))
            index += len(vectors)
    except TimeoutError:
        yield _last_line(Refusal("deadline_exceeded", f"{index} of {call.texts} texts were encoded in time"), call)
    except Refusal as refusal:
        yield _last_line(refusal, call)
    except EmbedPluginError as error:
        yield _last_line(Refusal("internal", str(error)), call)
    else:
        usage = {"texts": index, "tokens": job.tokens}
        yield _line({"done": True, "usage": usage, "truncated": job.truncated})


def _last_line(refusal: Refusal, call: Call) -> bytes:
    call.code = refusal.code
    return _line(refusal.body(""))


def _line(content: object) -> bytes:
    return orjson.dumps(content, option=orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)


def openai_embeddings(vectors: Vectors, job: Job, space: Space, *, as_base64: bool) -> Response:
    """The answer of ``POST /v1/embeddings``."""
    encoded: Iterable[Any] = map(_base64, vectors) if as_base64 else vectors
    content = {
        "object": "list",
        "data": [{"object": "embedding", "index": at, "embedding": each} for at, each in enumerate(encoded)],
        "model": space.model,
        "usage": {"prompt_tokens": job.tokens, "total_tokens": job.tokens},
    }
    return json_response(content, headers=space.headers(job))


def _base64(row: Vectors) -> str:
    return base64.b64encode(row.astype(FLOAT_TYPE, copy=False).tobytes()).decode()

"""Builds the ASGI application: routes, error shapes, and the request guard around them."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from fastapi import Depends, FastAPI
from fastapi.exceptions import RequestValidationError
from fastapi.security import APIKeyHeader, HTTPBearer
from starlette.exceptions import HTTPException

import embed_plugin
from embed_plugin.encode.text_model import TextModel
from embed_plugin.serve.api.health import health_routes
from embed_plugin.serve.api.late import late_routes
from embed_plugin.serve.api.native import routes
from embed_plugin.serve.api.openai import bad_input_error, openai_routes
from embed_plugin.serve.api.rerank import rerank_routes
from embed_plugin.serve.api.responses import error_response
from embed_plugin.serve.api.sparse import sparse_routes
from embed_plugin.serve.keys import Keys
from embed_plugin.serve.logs import log_loop_failure
from embed_plugin.serve.request_errors import MOST_QUOTED, RequestError
from embed_plugin.serve.request_guard import RequestGuard
from embed_plugin.serve.service import Service
from embed_plugin.serve.settings import ServeSettings

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Sequence

    from fastapi import Request
    from starlette.responses import Response

_KEY_SCHEMES = [Depends(HTTPBearer(auto_error=False)), Depends(APIKeyHeader(name="X-API-Key", auto_error=False))]
"""For OpenAPI; the request guard checks the keys."""


def create_app(
    models: TextModel | Sequence[TextModel], settings: ServeSettings | None = None, *, keys: Keys | None = None
) -> FastAPI:
    """Make an ASGI application that serves models.

    ``app.state.service`` holds its parts. The models are warmed up when the application starts; requests get 503 until
    that is done.

    Args:
        models: An encoder, a reranker, or several models.
        settings: The defaults where None.
        keys: The keys that open it; None: it asks for none.

    Raises:
        InvalidInputError: the settings do not name each model, or two are called alike.
    """
    settings, keys = settings or ServeSettings(), keys or Keys()
    loaded = [models] if isinstance(models, TextModel) else models
    service = Service.of(loaded, settings, version=embed_plugin.__version__)
    app = FastAPI(
        title="embed-plugin",
        summary="Text embeddings on ordinary CPUs.",
        version=service.version,
        docs_url=None,  # FastAPI's pages load their scripts from a CDN; /docs is one of health_routes
        redoc_url=None,
        servers=[{"url": settings.root_path}] if settings.root_path else None,
        redirect_slashes=False,  # the guard takes a path with a slash at its end as the one without
        lifespan=_lifespan,
        dependencies=_KEY_SCHEMES if keys else [],
    )
    app.state.service, app.state.keys = service, keys
    for make in (routes, rerank_routes, sparse_routes, late_routes, openai_routes, health_routes):
        app.include_router(make(service))
    _shape_errors(app)
    service.metrics.expect(["/", *app.openapi()["paths"]])
    app.add_middleware(RequestGuard, service=service, keys=keys)
    return app


@asynccontextmanager
async def _lifespan(app: FastAPI) -> AsyncIterator[None]:
    service: Service = app.state.service
    asyncio.get_running_loop().set_exception_handler(log_loop_failure)
    warming_up = asyncio.create_task(service.lifecycle.warm_up())
    yield
    warming_up.cancel()
    service.content_parser.close()
    service.scheduler.close()


def _shape_errors(app: FastAPI) -> None:
    """Turn every error of a route into a response in the shape of the API that its path belongs to."""

    async def refuse(request: Request, error: Exception) -> Response:
        refused = _request_error_of(error)
        request.state.record.code = refused.code
        response = error_response(refused, request.url.path)
        if isinstance(error, HTTPException) and error.headers:
            response.headers.update(error.headers)  # 405 names the methods in Allow
        return response

    for kind in (RequestError, RequestValidationError, HTTPException):
        app.add_exception_handler(kind, refuse)


def _request_error_of(error: Exception) -> RequestError:
    match error:
        case RequestError():
            return error
        case RequestValidationError():
            return _of_validation(error)
        case HTTPException(status_code=404):
            return RequestError("not_found", "there is no such path here; /docs shows those there are")
        case HTTPException(status_code=405):
            return RequestError("method_not_allowed", "this path takes another method; /docs shows which")
        case _:
            return RequestError("invalid_request", str(getattr(error, "detail", error)))


def _of_validation(error: RequestValidationError) -> RequestError:
    """Make the error of the first invalid field, without the value that was sent; carries the index of a text."""
    first: dict[str, Any] = error.errors()[0]
    where, problem = first["loc"], first["msg"]
    if where[1:2] in (("texts",), ("documents",)) and len(where) > 2:  # noqa: PLR2004 - body, texts, index
        return RequestError("invalid_text", f"text {where[2]}: {problem}", index=where[2])
    if where[1:2] in (("input",), ("inputs",)) and first["type"] != "missing":
        return bad_input_error(error.body[where[1]], where[1])
    return RequestError("invalid_request", f"{'.'.join(str(part)[:MOST_QUOTED] for part in where)}: {problem}")

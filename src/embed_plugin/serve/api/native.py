"""Our own routes: /embed, /count_tokens and /info."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Header, Query, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from embed_plugin.encode import Encoder, SparseEncoder
from embed_plugin.encode.text_model import TextModel
from embed_plugin.model.matryoshka import matryoshka_of
from embed_plugin.serve.api.negotiation import best_form
from embed_plugin.serve.api.request_content import ContentRoute
from embed_plugin.serve.api.responses import (
    json_response,
    vectors_as_floats,
    vectors_as_json,
    vectors_as_lines,
)
from embed_plugin.serve.api.schemas import CountAnswer, CountRequest, EmbedAnswer, EmbedRequest, ErrorAnswer, InfoAnswer
from embed_plugin.serve.models.served import Served, ServedModels
from embed_plugin.serve.models.work import texts_to_encode
from embed_plugin.serve.service import Service, spec_of
from embed_plugin.wire import (
    COUNT_TOKENS_PATH,
    DEADLINE_HEADER,
    EMBED_PATH,
    FLOATS,
    INFO_PATH,
    JSON,
    LINES,
    STATUS,
    CountContent,
    InfoContent,
    ModelContent,
)

Deadline = Annotated[
    int | None, Header(alias=DEADLINE_HEADER, ge=1, description="Time limit of the request, in milliseconds.")
]
WantedModel = Annotated[str | None, Query(description="Name or fingerprint of the model that is described.")]
NOT_OF_A_ROUTE = (404, 405)
"""Statuses of an unknown path and an unknown method, which no route returns."""

ERRORS: dict[int | str, dict[str, Any]] = {
    status: {"model": ErrorAnswer, "description": ", ".join(code for code in STATUS if STATUS[code] == status)}
    for status in sorted(set(STATUS.values()) - set(NOT_OF_A_ROUTE))
}
NO_MODEL: dict[int | str, dict[str, Any]] = {404: {"model": ErrorAnswer, "description": "model_not_found"}}
FORMS: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "Vectors, in the form that Accept asks for.",
        "content": {
            FLOATS: {"schema": {"type": "string", "format": "binary", "description": "n x dimension, float32, <f4"}},
            LINES: {"schema": {"type": "string", "description": "a line for each vector, and a last one"}},
        },
    },
    **NO_MODEL,
}


def routes(service: Service) -> APIRouter:
    """Make our own routes of a service."""
    router = APIRouter(responses=ERRORS, route_class=ContentRoute)

    @router.post(EMBED_PATH, response_model=EmbedAnswer, responses=FORMS)
    async def embed(request: Request, wanted: EmbedRequest, _deadline: Deadline = None) -> Response:
        """Encode texts.

        With `Accept: application/octet-stream` the answer is raw float32, row by row; with `application/x-ndjson` a
        line for each vector, `{"index", "embedding"}`, sent as they get ready, and a last line
        `{"done": true, "usage", "truncated"}` or `{"error": ...}`.
        """
        service.lifecycle.check()
        served = service.models.find(Encoder, wanted.model)
        record = request.state.record
        spec = spec_of(served, wanted.dimension)
        model = served.facts.cut_to(spec)
        form = best_form(",".join(request.headers.getlist("accept")), (JSON, FLOATS, LINES))
        work = texts_to_encode(
            served,
            wanted.texts,
            role=wanted.role,
            instruction=wanted.instruction,
            truncate=wanted.truncate,
            in_windows=form == LINES,
        )
        job = (await service.scheduler.submit(work, record)).shortened(spec)
        if form == LINES:
            return vectors_as_lines(job, model, record)
        vectors = await job.results()
        if form == FLOATS:
            return vectors_as_floats(vectors, job, model)
        return vectors_as_json(vectors, job, model, record)

    @router.post(COUNT_TOKENS_PATH, response_model=CountAnswer, responses=NO_MODEL)
    async def count_tokens(wanted: CountRequest, _deadline: Deadline = None) -> Response:
        """Count the tokens of each text, special tokens and prefix included, not cut at the limit."""
        service.lifecycle.check()
        served = _counting(service.models, wanted.model)
        tokens = await service.scheduler.count_tokens(served, wanted.texts, role=wanted.role)
        model, most = served.facts, served.loaded.max_tokens
        content: CountContent = {
            "tokens": tokens,
            "model": model.name,
            "fingerprint": model.fingerprint,
            "max_tokens": most,
        }
        return json_response(content)

    @router.get(INFO_PATH, response_model=InfoAnswer, responses=NO_MODEL)
    async def info(model: WantedModel = None) -> Response:
        """A served model, the limits of one request, and all models in `models`.

        Without `model` the first embedding model is described, or the first of all where there is none.
        """
        limits = service.settings
        content: InfoContent = {
            **model_content(described(service.models, model)),
            "version": service.version,
            "models": [model_content(each) for each in service.models],
            "limits": {
                "texts": limits.texts,
                "text_characters": limits.text_characters,
                "body_bytes": limits.body_bytes,
            },
        }
        return json_response(content)

    return router


def _counting(models: ServedModels, requested: str | None) -> Served[Encoder] | Served[SparseEncoder]:
    """Return the model whose tokenizer counts: an encoder, else a sparse one.

    Raises:
        RequestError: there is none of this name or fingerprint, or several and no name.
    """
    encoders, sparse = models.of(Encoder), models.of(SparseEncoder)
    is_encoders = requested is None or any(each.is_called(requested) for each in encoders)
    if sparse and not (encoders and is_encoders):
        return models.find(SparseEncoder, requested)
    return models.find(Encoder, requested)


def described(models: ServedModels, requested: str | None) -> Served[TextModel]:
    """Return the model that ``GET /info`` describes.

    Raises:
        RequestError: there is no model of this name or fingerprint.
    """
    if requested is not None:
        return models.find(TextModel, requested)
    return next(iter(models.of(Encoder)), models.first)


def model_content(model: Served[TextModel]) -> ModelContent:
    """Return what ``GET /info`` says about a model."""
    spec = model.loaded.spec
    cut = matryoshka_of(spec) if model.loaded.kind == "embedding" else None
    return {
        "model": model.name,
        "kind": model.loaded.kind,
        "fingerprint": spec.fingerprint,
        "dimension": model.facts.dimension,
        "max_tokens": spec.max_tokens,
        "precision": spec.precision,
        "pooling": spec.pooling,
        "query_prefix": spec.query_prefix,
        "document_prefix": spec.document_prefix,
        "matryoshka": None if cut is None else {"lengths": list(cut.lengths), "layer_norm": cut.layer_norm},
    }

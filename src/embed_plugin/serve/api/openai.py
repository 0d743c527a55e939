"""The routes of OpenAI's API, under /v1."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from embed_plugin.encode import Encoder
from embed_plugin.serve.api.native import ERRORS, Deadline
from embed_plugin.serve.api.openai_schemas import (
    EmbeddingsAnswer,
    EmbeddingsRequest,
    ModelsAnswer,
    OpenAIErrorAnswer,
)
from embed_plugin.serve.api.request_content import ContentRoute, is_token_ids
from embed_plugin.serve.api.responses import json_response, openai_embeddings
from embed_plugin.serve.api.roles import agreed_role, split_model_name
from embed_plugin.serve.models.work import texts_to_encode
from embed_plugin.serve.request_errors import OPENAI_PREFIX, RequestError
from embed_plugin.serve.service import Service, spec_of

OPENAI_ERRORS: dict[int | str, dict[str, Any]] = {
    status: {**facts, "model": OpenAIErrorAnswer}
    for status, facts in {
        **ERRORS,
        400: {"description": "invalid_request"},
        404: {"description": "model_not_found"},
    }.items()
}


def openai_routes(service: Service) -> APIRouter:
    """Make the routes of a service under ``/v1``."""
    router = APIRouter(prefix=OPENAI_PREFIX.rstrip("/"), responses=OPENAI_ERRORS, route_class=ContentRoute)

    @router.post("/embeddings", response_model=EmbeddingsAnswer)
    async def embeddings(request: Request, wanted: EmbeddingsRequest, _deadline: Deadline = None) -> Response:
        """Encode texts, as OpenAI's API does.

        Texts are documents unless a request says `query`: in `role`, `input_type` or `task`, or as the model's name
        with `:query` behind it. Where two of them disagree the request is refused.
        """
        service.lifecycle.check()
        name, role_of_name = split_model_name(wanted.model, service.models.identifiers)
        served = service.models.find(Encoder, name)
        role = agreed_role(
            {"role": wanted.role, "input_type": wanted.input_type, "task": wanted.task, "model": role_of_name}
        )
        texts = _texts_of(wanted)
        spec = spec_of(served, wanted.dimensions, "dimensions")
        job = await service.scheduler.submit(texts_to_encode(served, texts, role=role), request.state.record)
        job = job.shortened(spec)
        as_base64 = wanted.encoding_format == "base64"
        return openai_embeddings(await job.results(), job, served.facts.cut_to(spec), as_base64=as_base64)

    @router.get("/models", response_model=ModelsAnswer)
    async def models() -> Response:
        """The models that are served, of every kind."""
        facts = {"object": "model", "created": 0, "owned_by": "embed-plugin"}
        return json_response({"object": "list", "data": [{"id": name, **facts} for name in service.models.names]})

    return router


def bad_input_error(value: object, field: str = "input") -> RequestError:
    """Make the error of a field that is neither a text nor a list of texts."""
    if not isinstance(value, list):
        expected = "expected a text or a list of texts"
        return RequestError("invalid_request", f"{field} is a {type(value).__name__}; {expected}")
    if not value:
        return RequestError("invalid_request", f"{field} is an empty list; expected a text or texts")
    if is_token_ids(value):
        return RequestError(
            "invalid_request", f"{field} is token ids, which belong to another model's tokenizer: send text"
        )
    index, odd = next((at, each) for at, each in enumerate(value) if not isinstance(each, str))
    return RequestError("invalid_text", f"text {index}: is a {type(odd).__name__}; expected a text", index=index)


def _texts_of(wanted: EmbeddingsRequest) -> list[str]:
    if isinstance(wanted.input, str):
        return [wanted.input]
    if not wanted.input:
        raise bad_input_error(wanted.input)
    return wanted.input

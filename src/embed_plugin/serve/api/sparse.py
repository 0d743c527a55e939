"""The route that gives weights of words: /embed_sparse, in text-embeddings-inference's form."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the annotations
from pydantic import BaseModel, Field

from embed_plugin.encode import SparseEncoder
from embed_plugin.serve.api.native import ERRORS, NO_MODEL, Deadline
from embed_plugin.serve.api.request_content import ContentRoute
from embed_plugin.serve.api.responses import headers_of, json_response
from embed_plugin.serve.api.schemas import InputsRequest
from embed_plugin.serve.models.work import texts_to_weigh
from embed_plugin.serve.service import Service
from embed_plugin.wire import EMBED_SPARSE_PATH

if TYPE_CHECKING:
    from embed_plugin.types import Results


class SparseRequest(InputsRequest):
    """Texts whose words are weighed."""


class Weight(BaseModel):
    """A word's weight."""

    index: int = Field(description="Id of the word in the model's vocabulary.")
    value: float


def sparse_routes(service: Service) -> APIRouter:
    """Make the route of a service that gives weights of words."""
    router = APIRouter(responses={**ERRORS, **NO_MODEL}, route_class=ContentRoute)

    @router.post(EMBED_SPARSE_PATH, response_model=list[list[Weight]])
    async def embed_sparse(request: Request, wanted: SparseRequest, _deadline: Deadline = None) -> Response:
        """Give the weights of words of each text, in the order of the texts; one text is a list of one.

        Texts are documents unless `role` is `query`. A text of which the model weighs no word has an empty list.
        """
        service.lifecycle.check()
        served = service.models.find(SparseEncoder, wanted.model)
        work = texts_to_weigh(served, wanted.texts, role=wanted.role, truncate=wanted.truncate)
        job = await service.scheduler.submit(work, request.state.record)
        content = await asyncio.to_thread(_content, await job.results())
        return json_response(content, headers=headers_of(served.facts, job))

    return router


def _content(vectors: Results) -> list[list[dict[str, Any]]]:
    """Return the answer; with thousands of texts it has a million parts, which would hold up the event loop."""
    return [
        [
            {"index": index, "value": value}
            for index, value in zip(vector.indices.tolist(), vector.values.tolist(), strict=True)
        ]
        for vector in vectors
    ]

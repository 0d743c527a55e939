"""The routes that rank texts for a query: /rerank and /v1/rerank, which both take either form."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fastapi import APIRouter, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from embed_plugin.encode import Reranker
from embed_plugin.scoring import best_first
from embed_plugin.serve.api.native import ERRORS, NO_MODEL, Deadline
from embed_plugin.serve.api.openai import OPENAI_ERRORS
from embed_plugin.serve.api.request_content import ContentRoute
from embed_plugin.serve.api.rerank_schemas import Rank, RerankAnswer, RerankRequest
from embed_plugin.serve.api.responses import headers_of, json_response
from embed_plugin.serve.models.work import texts_to_score
from embed_plugin.serve.request_errors import OPENAI_RERANK_PATH
from embed_plugin.serve.service import Service
from embed_plugin.wire import RERANK_PATH

if TYPE_CHECKING:
    from embed_plugin.model.scores import ScoreActivation
    from embed_plugin.serve.scheduler import RequestJob


def rerank_routes(service: Service) -> APIRouter:
    """Make the routes of a service that rank texts."""
    router = APIRouter(route_class=ContentRoute)

    @router.post(RERANK_PATH, response_model=list[Rank] | RerankAnswer, responses={**ERRORS, **NO_MODEL})
    @router.post(OPENAI_RERANK_PATH, response_model=list[Rank] | RerankAnswer, responses=OPENAI_ERRORS)
    async def rerank(request: Request, wanted: RerankRequest, _deadline: Deadline = None) -> Response:
        """Rank texts for a query, best first; of equal scores the lower index first.

        With `texts` the answer is a list of `{"index", "score"}`, as text-embeddings-inference has it; with `documents`
        it is `{"results": [{"index", "relevance_score"}], ...}`, as Cohere and Jina have it.
        """
        service.lifecycle.check()
        served = service.models.find(Reranker, wanted.model)
        activation = None if wanted.texts is None else _activation(raw=bool(wanted.raw_scores))
        work = texts_to_score(
            served,
            wanted.query,
            wanted.listed,
            truncate=wanted.truncate,
            instruction=wanted.instruction,
            activation=activation,
        )
        job = await service.scheduler.submit(work, request.state.record)
        ranked = best_first(await job.results(), wanted.top_n)
        content = _as_documents(ranked, wanted, job, served.name) if activation is None else _as_texts(ranked, wanted)
        return json_response(content, headers=headers_of(served.facts, job))

    return router


def _activation(*, raw: bool) -> ScoreActivation:
    return "identity" if raw else "sigmoid"


def _as_texts(ranked: list[tuple[int, float]], wanted: RerankRequest) -> list[dict[str, Any]]:
    """Return the answer in text-embeddings-inference's form."""
    content: list[dict[str, Any]] = [{"index": index, "score": score} for index, score in ranked]
    if wanted.return_text:
        texts = wanted.listed
        for each in content:
            each["text"] = texts[each["index"]]
    return content


def _as_documents(
    ranked: list[tuple[int, float]], wanted: RerankRequest, job: RequestJob, model: str
) -> dict[str, Any]:
    """Return the answer in Cohere's and Jina's form."""
    results: list[dict[str, Any]] = [{"index": index, "relevance_score": score} for index, score in ranked]
    if wanted.return_documents:
        texts = wanted.listed
        for each in results:
            each["document"] = {"text": texts[each["index"]]}
    usage = {"prompt_tokens": job.tokens, "total_tokens": job.tokens}
    return {"model": model, "results": results, "usage": usage, "meta": {"tokens": {"input_tokens": job.tokens}}}

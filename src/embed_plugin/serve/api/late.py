"""The route that gives a vector for each token: /embed_late."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import Response  # noqa: TC002 - FastAPI reads the annotations

from embed_plugin.encode import LateInteractionEncoder
from embed_plugin.serve.api.native import ERRORS, NO_MODEL, Deadline
from embed_plugin.serve.api.request_content import ContentRoute
from embed_plugin.serve.api.responses import headers_of, json_response
from embed_plugin.serve.api.schemas import InputsRequest
from embed_plugin.serve.models.work import texts_of_tokens
from embed_plugin.serve.service import Service
from embed_plugin.wire import EMBED_LATE_PATH

MOST_NUMBERS = 4_000_000
"""Most numbers of an answer. As JSON, a number of float32 with its comma has at most 16 bytes: the answer is below the
64 MiB of answers that may be unread."""


class LateRequest(InputsRequest):
    """Texts whose tokens get vectors."""


def late_routes(service: Service) -> APIRouter:
    """Make the route of a service that gives token vectors."""
    router = APIRouter(responses={**ERRORS, **NO_MODEL}, route_class=ContentRoute)

    @router.post(EMBED_LATE_PATH, response_model=list[list[list[float]]])
    async def embed_late(request: Request, wanted: LateRequest, _deadline: Deadline = None) -> Response:
        """Give the token vectors of each text, in the order of the texts; one text is a list of one.

        They are a late-interaction model's, of unit length, compared by max-sim. Texts are documents unless `role` is
        `query`; tokens of a document that the model skips have none. An answer has at most 4,000,000 numbers: of 128
        numbers a vector, 31,250 tokens.
        """
        service.lifecycle.check()
        served = service.models.find(LateInteractionEncoder, wanted.model)
        work = texts_of_tokens(
            served, wanted.texts, role=wanted.role, most_numbers=MOST_NUMBERS, truncate=wanted.truncate
        )
        job = await service.scheduler.submit(work, request.state.record)
        return json_response(list(await job.results()), headers=headers_of(served.facts, job))

    return router

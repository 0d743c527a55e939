"""The routes for operation: probes, metrics, the status page, and the page of the interface."""

from __future__ import annotations

from importlib.resources import files

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, Response
from prometheus_client import CONTENT_TYPE_LATEST

from embed_plugin.serve.api.interface_page import interface_page
from embed_plugin.serve.api.responses import json_response
from embed_plugin.serve.api.schemas import ErrorAnswer
from embed_plugin.serve.service import Service

PAGE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def health_routes(service: Service) -> APIRouter:
    """Make the routes of a service that take no texts."""
    router = APIRouter()
    page = files("embed_plugin.serve.api").joinpath("status.html").read_text(encoding="utf-8")

    @router.get("/health/live")
    async def live() -> Response:
        """The process answers."""
        return json_response({"status": "alive"})

    @router.get("/health", responses={503: {"model": ErrorAnswer, "description": "not_ready, draining"}})
    @router.get("/health/ready", responses={503: {"model": ErrorAnswer, "description": "not_ready, draining"}})
    async def ready() -> Response:
        """The models are warm, the service is not draining, and a forward pass of each has just gone through."""
        await service.lifecycle.probe()
        fingerprints = {each.name: each.loaded.fingerprint for each in service.models}
        first = service.models.first.loaded.fingerprint
        return json_response({"status": "ready", "fingerprint": first, "fingerprints": fingerprints})

    @router.get("/metrics", responses={200: {"content": {"text/plain": {}}}})
    async def metrics() -> Response:
        """All series, in Prometheus' text format."""
        return Response(service.metrics.page(), media_type=CONTENT_TYPE_LATEST)

    @router.get("/", include_in_schema=False)
    async def status() -> Response:
        """The status page."""
        return HTMLResponse(page, headers=PAGE_HEADERS)

    @router.get("/docs", include_in_schema=False)
    async def interface(request: Request) -> Response:
        """The interface, for people."""
        return HTMLResponse(interface_page(request.app.openapi()), headers=PAGE_HEADERS)

    return router

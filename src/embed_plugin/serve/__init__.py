"""Serves vectors over HTTP: request guard -> routes -> scheduler -> the encoder's batch queue -> responses.

Only this folder imports FastAPI, uvicorn, pydantic, prometheus-client, structlog and orjson.
"""

from embed_plugin.serve.app import create_app
from embed_plugin.serve.server import run
from embed_plugin.serve.settings import ServeSettings

__all__ = ["ServeSettings", "create_app", "run"]

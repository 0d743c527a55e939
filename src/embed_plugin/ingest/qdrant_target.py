"""A target to a Qdrant client: in memory, a folder or a server; and Qdrant's exceptions to ours."""

from __future__ import annotations

import re
import socket
import sqlite3
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from grpc import RpcError, StatusCode  # type: ignore[import-untyped]
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException
from qdrant_client.http.exceptions import ApiException, UnexpectedResponse

from embed_plugin.errors import InvalidInputError, TargetError

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = ":memory:"
_GRPC_PROBE_SECONDS = 2
_TIMEOUT_SECONDS = 60  # qdrant-client's 5 are too few for a write that waits for a busy server


def open_client(target: str, *, api_key: str | None = None, create: bool = True) -> QdrantClient:
    """Connect to a Qdrant server or open an embedded one.

    Args:
        target: ``:memory:``, a server's URL, or a folder of embedded Qdrant. Of a server, gRPC is used
            where it answers on the port after the URL's (6334 for 6333), HTTP otherwise.
        api_key: For a server that asks for one.
        create: Whether a missing folder is made; otherwise an empty Qdrant in memory stands in for it.

    Raises:
        InvalidInputError: the target is neither.
        TargetError: the server does not answer, or the folder is in use, damaged or not Qdrant's.
    """
    if target.startswith(("http://", "https://")):
        return _connect(target, api_key)
    if "://" in target or re.fullmatch(r"[\w.-]+:\d+/?", target) or not target:
        raise InvalidInputError(
            f"target {target!r}: expected a folder, {MEMORY} or a URL such as http://localhost:6333"
        )
    with translated(target), own_warnings_only():
        if target == MEMORY or not (_is_qdrant_folder(target) or create):
            return QdrantClient(MEMORY)
        return QdrantClient(path=target)


def _connect(url: str, api_key: str | None) -> QdrantClient:
    parts = urlsplit(url)
    grpc_port = (parts.port or 6333) + 1
    for prefer_grpc in (True, False) if _listens(parts.hostname or "", grpc_port) else (False,):
        client = QdrantClient(
            url=url,
            api_key=api_key,
            prefer_grpc=prefer_grpc,
            grpc_port=grpc_port,
            timeout=_TIMEOUT_SECONDS,
            check_compatibility=False,  # it only warns; the request below fails with a reason
        )
        try:
            with translated(url):
                client.get_collections()
        except TargetError:
            client.close()
            if not prefer_grpc:
                raise
        else:
            break
    return client


def _listens(host: str, port: int) -> bool:
    """Whether anything takes connections there; a gRPC request to a port behind a firewall would wait a minute."""
    try:
        with socket.create_connection((host, port), timeout=_GRPC_PROBE_SECONDS):
            return True
    except OSError:
        return False


def _is_qdrant_folder(target: str) -> bool:
    folder = Path(target)
    if (folder / "meta.json").exists():
        return True
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise TargetError(f"{target} is there and no Qdrant folder. Name a new or empty folder, or one made by ingest")
    return False


@contextmanager
def own_warnings_only() -> Iterator[None]:
    """Silence qdrant-client's advice on large embedded collections; the sink gives its own, once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Local mode is not recommended")
        yield


@contextmanager
def translated(target: str) -> Iterator[None]:
    """Raise TargetError, naming the target, for whatever goes wrong in Qdrant or on the way to it."""
    try:
        yield
    except (ApiException, RpcError) as error:
        raise TargetError(_server_problem(target, error)) from error
    except (OSError, sqlite3.Error) as error:
        message = f"{target}: {error}. Check that the disk has room and that the folder may be written"
        raise TargetError(message) from error
    except (QdrantException, RuntimeError, ValueError) as error:
        in_use = "already accessed by another instance" in str(error)
        remedy = (
            "it is open in another process. Wait for that one to end, or use a Qdrant server" if in_use else str(error)
        )
        raise TargetError(f"{target}: {remedy}") from error


def _server_problem(target: str, error: Exception) -> str:
    refused_key = (isinstance(error, UnexpectedResponse) and error.status_code in {401, 403}) or (
        isinstance(error, RpcError) and error.code() in {StatusCode.UNAUTHENTICATED, StatusCode.PERMISSION_DENIED}
    )
    if refused_key:
        return f"{target} refuses the API key. Give one that may write with --api-key or in QDRANT_API_KEY"
    if isinstance(error, UnexpectedResponse):
        return f"{target} refused: {error}"
    if isinstance(error, RpcError) and error.code() not in {
        StatusCode.UNAVAILABLE,
        StatusCode.DEADLINE_EXCEEDED,
    }:
        return f"{target} refused: {error.details()}"
    reason = error.details() if isinstance(error, RpcError) else error.__dict__.get("source", error)
    return f"no Qdrant server answers at {target} ({reason}). Check that it runs and that the URL is right"

"""Open a client of qdrant-client for a target: memory, a folder or a server."""

from __future__ import annotations

import os
import re
import socket
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from grpc import RpcError  # type: ignore[import-untyped]
from qdrant_client import QdrantClient
from qdrant_client.common.client_exceptions import QdrantException

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest.stores.qdrant.client.errors import is_transient, raise_when_busy, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

MEMORY = ":memory:"
EDGE = "edge:"
EDGE_MARK = "embed_plugin_edge.json"
"""The file that marks a folder as qdrant-edge's; qdrant-client's local mode has a meta.json."""

_LOCAL_MARK = "meta.json"
_GRPC_PROBE_SECONDS = 2


def is_server(target: str) -> bool:
    """Return whether a target is a server's URL."""
    return target.startswith(("http://", "https://"))


def edge_folder(target: str) -> Path | None:
    """The folder of a target that qdrant-edge opens; None if the target is of the other backend.

    Raises:
        TargetError: the folder was made by the other backend, or is not Qdrant's.
    """
    if target.startswith(EDGE):
        folder = Path(target.removeprefix(EDGE))
        if (folder / _LOCAL_MARK).exists():
            message = f"{folder} was made by qdrant-client's local mode. Name it without {EDGE}, or name a new folder"
            raise TargetError(message)
        if not (folder / EDGE_MARK).exists():
            _refuse_foreign(folder)
        return folder
    if is_server(target) or target == MEMORY or not (Path(target) / EDGE_MARK).exists():
        return None
    return Path(target)


def open_client(
    target: str,
    *,
    api_key: str | None = None,
    create: bool = True,
    prefer_grpc: bool = True,
    grpc_port: int | None = None,
    timeout_seconds: int = 60,
) -> QdrantClient:
    """Connect to a Qdrant server or open an embedded one.

    Args:
        target: ``:memory:``, a server's URL, or a folder of qdrant-client's local mode.
        api_key: The key of a server; ``QDRANT_API_KEY`` of the environment if None.
        create: Whether to create a missing folder; otherwise an empty Qdrant in memory takes its place.
        prefer_grpc: Whether to use gRPC if the server answers there.
        grpc_port: The port of gRPC; the one after the URL's (6334 for 6333) if None.
        timeout_seconds: For one response; qdrant-client's default of 5 is too short for a synchronous write.

    Raises:
        InvalidInputError: the target is none of these.
        TargetError: the server does not answer, or the folder is in use, damaged or not Qdrant's.
    """
    if is_server(target):
        port = grpc_port or (urlsplit(target).port or 6333) + 1
        connection = _Connection(target, api_key or os.environ.get("QDRANT_API_KEY"), port, timeout_seconds)
        return connection.open(prefer_grpc=prefer_grpc)
    if "://" in target or re.fullmatch(r"[\w.-]+:\d+/?", target) or not target:
        raise InvalidInputError(
            f"target {target!r}: expected a folder, {EDGE}FOLDER, {MEMORY} or a URL such as http://localhost:6333"
        )
    with translated(target), own_warnings_only():
        if target == MEMORY or not (_is_local_folder(target) or create):
            return QdrantClient(MEMORY)
        return QdrantClient(path=target, force_disable_check_same_thread=True)  # the backend locks


@dataclass(frozen=True)
class _Connection:
    url: str
    api_key: str | None
    grpc_port: int
    timeout_seconds: int

    def open(self, *, prefer_grpc: bool) -> QdrantClient:
        if prefer_grpc and _listens(urlsplit(self.url).hostname or "", self.grpc_port):
            client = self._client(prefer_grpc=True)
            try:
                client.get_collections()
            except (RpcError, RuntimeError, QdrantException):
                client.close()
            else:
                return client
        client = self._client(prefer_grpc=False)
        try:
            with translated(self.url):
                _greet(client)
        except TargetError:
            client.close()
            raise
        return client

    def _client(self, *, prefer_grpc: bool) -> QdrantClient:
        with warnings.catch_warnings():
            # A key over plain HTTP is the user's choice, and acceptable on a private network.
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            client = QdrantClient(
                url=self.url,
                api_key=self.api_key,
                prefer_grpc=prefer_grpc,
                grpc_port=self.grpc_port,
                timeout=self.timeout_seconds,
                check_compatibility=False,  # it only warns; the request that follows fails with a reason
            )
        client.http.client.add_middleware(raise_when_busy)
        return client


def _greet(client: QdrantClient) -> None:
    """Fail at once if no server answers or the key is wrong; a busy server is retried by the requests that follow."""
    try:
        client.get_collections()
    except Exception as error:
        status = getattr(error, "status_code", None)
        busy = is_transient(error) and not hasattr(error, "source") and status != HTTPStatus.INTERNAL_SERVER_ERROR
        if not busy:
            raise


def _listens(host: str, port: int) -> bool:
    """Return whether anything accepts connections there; gRPC would wait a minute for a port behind a firewall."""
    try:
        with socket.create_connection((host, port), timeout=_GRPC_PROBE_SECONDS):
            return True
    except OSError:
        return False


def is_missing_folder(target: str) -> bool:
    """Return whether a target is a folder that local mode has yet to make."""
    return not is_server(target) and target != MEMORY and not (Path(target) / _LOCAL_MARK).exists()


def _is_local_folder(target: str) -> bool:
    folder = Path(target)
    if (folder / _LOCAL_MARK).exists():
        return True
    _refuse_foreign(folder)
    return False


def _refuse_foreign(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        message = f"{folder} is there and no Qdrant folder. Name a new or empty folder, or one made by ingest"
        raise TargetError(message)


@contextmanager
def own_warnings_only() -> Iterator[None]:
    """Suppress qdrant-client's warning about large local collections; the sink warns itself, once."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Local mode is not recommended")
        yield

"""Connect to a Qdrant server: HTTP first, then gRPC beside it where that is the same server and no key is exposed."""

from __future__ import annotations

import os
import socket
import ssl
import warnings
from contextlib import contextmanager
from dataclasses import dataclass, field
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any

import httpx
from grpc import RpcError  # type: ignore[import-untyped]
from qdrant_client import QdrantClient
from qdrant_client import grpc as messages

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest.stores.qdrant.client.errors import is_transient, raise_when_busy, translated

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.stores.qdrant.client.address import Proxy, ServerAddress

_GRPC_PROBE_SECONDS = 2
_GRPC_GREETING_SECONDS = 10


@dataclass(frozen=True)
class Connection:
    """The options of a connection to a server; pickled with them, and connected again elsewhere.

    Attributes:
        address: The server's.
        api_key: Its key.
        certificates: The certificates, as PEM, of the CA that the server's is signed by; the system's CAs if None.
        grpc_port: The port of gRPC, where it was named; then the key may go there too.
        timeout_seconds: For one response.
    """

    address: ServerAddress
    api_key: str | None = field(default=None, repr=False)
    certificates: bytes | None = field(default=None, repr=False)
    grpc_port: int | None = None
    timeout_seconds: int = 60

    def open(self, *, prefer_grpc: bool = True) -> QdrantClient:
        """Return a client of HTTP or, if the same server answers there, of gRPC.

        Raises:
            TargetError: no server answers, or it refuses; or the proxy cannot be used.
        """
        if self.api_key and self.address.exposes_key():
            message = f"the API key goes to {self.address.given} unencrypted, and can be read on the way. Use https://"
            warnings.warn(message, UserWarning, stacklevel=3)
        client = self._client(prefer_grpc=False)
        try:
            with translated(self.address.given, api_key=self.api_key):
                collections = _greet(client)
        except TargetError:
            client.close()
            raise
        faster = self._grpc_client(collections) if prefer_grpc and collections is not None else None
        if faster is not None:
            client.close()
        return faster or client

    def _grpc_client(self, collections: set[str]) -> QdrantClient | None:
        """A client of gRPC; None where it may not be used, or another server answers there."""
        if not self._may_use_grpc() or not _listens(self.address.host, self._grpc_port()):
            return None
        client = self._client(prefer_grpc=True)
        try:
            answer = client.grpc_collections.List(messages.ListCollectionsRequest(), timeout=_GRPC_GREETING_SECONDS)
        except (RpcError, RuntimeError):
            answer = None
        if answer is not None and {one.name for one in answer.collections} == collections:
            return client
        client.close()
        return None

    def _may_use_grpc(self) -> bool:
        """Return whether gRPC goes to the server itself, and the key to no port that was not named in clear."""
        behind = self.address.path or self.address.proxy()
        encrypted = self.address.scheme == "https"
        return not behind and (encrypted or not self.api_key or self.grpc_port is not None)

    def _grpc_port(self) -> int:
        return self.grpc_port or self.address.port + 1

    def _client(self, *, prefer_grpc: bool) -> QdrantClient:
        proxy = self.address.proxy()
        options: dict[str, Any] = {"grpc.enable_http_proxy": 0}
        if self.certificates is not None:
            options["root_certificates"] = self.certificates
        with warnings.catch_warnings(), _usable(proxy):
            warnings.filterwarnings("ignore", message="Api key is used with an insecure connection")
            client = QdrantClient(
                url=self.address.url,
                api_key=self.api_key,
                prefer_grpc=prefer_grpc,
                grpc_port=self._grpc_port(),
                grpc_options=options,
                timeout=self.timeout_seconds,
                check_compatibility=False,  # it only warns; the request that follows fails with a reason
                # One reading of HTTP_PROXY and NO_PROXY, ours, so that messages name the proxy that is used.
                trust_env=False,
                proxy=None if proxy is None else proxy.url,
                verify=_tls_context(self.certificates) if self.address.scheme == "https" else True,
            )
        client.http.client.add_middleware(raise_when_busy)
        return client


def ca_certificates(file: str | Path) -> bytes:
    """Read the certificates of a CA.

    Raises:
        InvalidInputError: the file cannot be read, or has no certificates as PEM in it.
    """
    try:
        content = Path(file).read_bytes()
    except OSError as error:
        raise InvalidInputError(f"the CA file {file} cannot be read: {error.strerror}") from error
    try:
        _tls_context(content)
    except (ssl.SSLError, ValueError) as error:
        message = f"the CA file {file} has no certificate that can be read. Expected PEM, -----BEGIN CERTIFICATE-----"
        raise InvalidInputError(message) from error
    return content


def _tls_context(certificates: bytes | None) -> ssl.SSLContext:
    if certificates is not None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)  # which trusts nobody yet, and checks host and certificate
        context.load_verify_locations(cadata=certificates.decode("ascii", errors="ignore"))
        return context
    try:
        return httpx.create_ssl_context()
    except OSError as error:
        message = f"SSL_CERT_FILE ({os.environ.get('SSL_CERT_FILE')}) has no certificates that can be read: {error}"
        raise InvalidInputError(message) from error


@contextmanager
def _usable(proxy: Proxy | None) -> Iterator[None]:
    """Translate the errors of a proxy's URL; their own texts may have its password in them."""
    try:
        yield
    except ImportError as error:
        if proxy is None:
            raise
        raise TargetError(f"{proxy.named} speaks SOCKS, which needs  pip install 'httpx[socks]'") from error
    except (ValueError, httpx.InvalidURL):
        if proxy is None:
            raise
        message = f"{proxy.named} cannot be used. Expected http://HOST:PORT; NO_PROXY names hosts to reach without"
        raise TargetError(message) from None


def _greet(client: QdrantClient) -> set[str] | None:
    """The names of the collections; None if the server is busy, for the requests that follow are tried again.

    Fails at once if no server answers or the key is wrong.
    """
    try:
        return {one.name for one in client.get_collections().collections}
    except Exception as error:
        status = getattr(error, "status_code", None)
        busy = is_transient(error) and not hasattr(error, "source") and status != HTTPStatus.INTERNAL_SERVER_ERROR
        if not busy:
            raise
        return None


def _listens(host: str, port: int) -> bool:
    """Return whether anything accepts connections there; gRPC would wait a minute for a port behind a firewall."""
    try:
        with socket.create_connection((host, port), timeout=_GRPC_PROBE_SECONDS):
            return True
    except (OSError, OverflowError):
        return False

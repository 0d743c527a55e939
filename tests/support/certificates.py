"""A CA of our own and a certificate for loopback that it signs, made by the program ``openssl``."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from typing import TYPE_CHECKING, NamedTuple

import grpc  # type: ignore[import-untyped]
import pytest

if TYPE_CHECKING:
    from pathlib import Path

KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
NAMES = "subjectAltName=IP:127.0.0.1,DNS:localhost"


class Certificates(NamedTuple):
    """The files: the CA's certificate, the server's, and the server's key."""

    ca: Path
    server: Path
    key: Path

    def for_http(self) -> ssl.SSLContext:
        """TLS for the HTTP half of a double."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.server, self.key)
        return context

    def for_grpc(self) -> grpc.ServerCredentials:
        """TLS for the gRPC half."""
        return grpc.ssl_server_credentials([(self.key.read_bytes(), self.server.read_bytes())])


def make_certificates(folder: Path) -> Certificates:
    """Make them in a folder."""
    if shutil.which("openssl") is None:
        pytest.skip("needs the program openssl")
    ca, ca_key, server, key = (folder / name for name in ("ca.pem", "ca.key", "server.pem", "server.key"))
    _openssl("req", "-x509", *KEY, "-subj", "/CN=Own CA", "-keyout", ca_key, "-out", ca)
    signed_by = ("-CA", ca, "-CAkey", ca_key, "-addext", NAMES, "-addext", "basicConstraints=critical,CA:FALSE")
    _openssl("req", "-x509", *KEY, "-subj", "/CN=localhost", *signed_by, "-keyout", key, "-out", server)
    return Certificates(ca, server, key)


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True, timeout=60)  # noqa: S607

"""Where a connection goes, what goes with it, and what is said when it fails."""

from __future__ import annotations

import pickle
import subprocess
import sys
import warnings
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING

import pytest

from conftest import HANG_SECONDS
from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest import Chunk, open_client, open_sink
from embed_plugin.ingest.stores.qdrant.client.address import address_of
from embed_plugin.testing import FakeEncoder
from support.certificates import Certificates, make_certificates
from support.grpc_qdrant import grpc_qdrant
from support.misbehaving_qdrant import Misbehaviour, misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCODER = FakeEncoder()
KEY = "s3cr3t-key"
PROXIES = ("http_proxy", "https_proxy", "all_proxy", "no_proxy", "SSL_CERT_FILE", "QDRANT_API_KEY")


@pytest.fixture(autouse=True)
def _no_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXIES:
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return make_certificates(tmp_path_factory.mktemp("certificates"))


@contextmanager
def both_ports(certificates: Certificates | None = None) -> Iterator[tuple[str, Misbehaviour, Misbehaviour]]:
    """A server with gRPC on the port after its own; the URL, and what came to either port."""
    tls = certificates.for_http() if certificates else None
    for _ in range(50):  # the port after a free one may be taken
        with misbehaving_qdrant(tls=tls) as (url, rest), ExitStack() as servers:
            beside = Misbehaviour(rest.engine)
            port, secret = address_of(url).port + 1, certificates and certificates.for_grpc()
            try:
                servers.enter_context(grpc_qdrant(rest.engine, behaviour=beside, port=port, tls=secret))
            except RuntimeError:
                continue
            yield url, rest, beside
            return


def refused(target: str, **options: str | Path | None) -> str:
    with pytest.raises((InvalidInputError, TargetError)) as found:
        open_client(target, **options)  # type: ignore[arg-type]
    return str(found.value)


def uses_grpc(url: str, **options: str | Path) -> bool:
    client = open_client(url, **options)  # type: ignore[arg-type]
    client.close()
    return bool(client.init_options["prefer_grpc"])


def test_a_key_goes_in_clear_to_the_address_given_and_to_no_other() -> None:
    with both_ports() as (url, rest, beside):
        assert not uses_grpc(url, api_key=KEY)
        assert (rest.api_keys, beside.api_keys) == ({KEY}, set())
        assert uses_grpc(url)
        assert beside.api_keys == {None}


def test_a_key_goes_over_tls_to_grpc_too(certificates: Certificates) -> None:
    with both_ports(certificates) as (url, rest, beside):
        assert uses_grpc(url, api_key=KEY, ca_file=certificates.ca)
        assert rest.api_keys == beside.api_keys == {KEY}


def test_the_rest_port_is_asked_first_and_another_server_beside_it_is_not_used() -> None:
    with both_ports() as (url, rest, beside):
        rest.needed_key = KEY
        assert "needs an API key, and none was given (Must provide" in refused(url)
        assert beside.api_keys == set()
    with misbehaving_qdrant() as (url, _), misbehaving_qdrant() as (_, other), grpc_qdrant(other.engine) as (port, _):
        with open_sink(url, "c") as sink:
            sink.prepare(ENCODER)
        client = open_client(url, grpc_port=port)
        assert not client.init_options["prefer_grpc"]
        client.close()


@pytest.mark.parametrize("target", ["http://192.0.2.1:6333", "http://qdrant.test"])
def test_a_key_that_leaves_the_machine_unencrypted_is_warned_of(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")  # so that nothing leaves this machine in the test
    with pytest.warns(UserWarning, match=f"the API key goes to {target} unencrypted.*https://"):
        assert KEY not in refused(target, api_key=KEY)


def test_no_warning_on_loopback_or_without_a_key() -> None:
    with misbehaving_qdrant() as (url, _), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        uses_grpc(url, api_key=KEY)
        uses_grpc(url.replace("127.0.0.1", "localhost"))
    assert caught == []


@pytest.mark.parametrize(
    "target",
    [
        "http://user:s3cr3t@localhost:6333",
        "http://s3cr3t@localhost",
        "https://user:12/s3cr3t@localhost",
        "http://user:s3cr3t?s3cr3t@localhost",
        "http://localhost:6333?api_key=s3cr3t",
        "http://localhost/#s3cr3t",
        "http://localhost:6333/?api_key=s3cr3t@x",
        "grpc://user:s3cr3t@localhost",
        "user:s3cr3t@localhost:6333",
        "localhost:6333?api_key=s3cr3t",
    ],
)
def test_a_url_with_a_secret_is_refused_and_not_shown(target: str) -> None:
    message = refused(target)
    assert "s3cr3t" not in message
    assert "QDRANT_API_KEY" in message or "expected a folder" in message


@pytest.mark.parametrize(
    "target", ["http://", "http://:6333", "https://host:port", "http://h:99999", "http://[::1", "http://a b"]
)
def test_a_url_that_cannot_be_read_is_refused(target: str) -> None:
    assert "expected a URL such as http://localhost:6333" in refused(target)


@pytest.mark.parametrize(
    ("url", "whole"),
    [
        ("http://localhost", "http://localhost:6333"),
        ("https://Q.test/", "https://q.test:6333"),
        ("HTTP://[::1]:7/a/b/", "http://[::1]:7/a/b"),
    ],
)
def test_the_port_of_a_url_without_one_is_qdrants(url: str, whole: str) -> None:
    assert address_of(url).url == whole


def test_a_message_names_the_port_that_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:1")
    assert "The URL names no port, so 6333 was asked, Qdrant's own" in refused("https://qdrant.test")
    assert "names no port" not in refused("https://qdrant.test:443")


def test_a_path_that_is_not_qdrants_is_named() -> None:
    with misbehaving_qdrant() as (url, _):
        assert "has the path /dashboard: leave it out" in refused(f"{url}/dashboard")


@pytest.mark.parametrize("variable", ["HTTP_PROXY", "http_proxy", "ALL_PROXY"])
def test_a_dead_proxy_is_named_without_its_password(variable: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with misbehaving_qdrant() as (url, _):
        monkeypatch.setenv(variable, "http://user:s3cr3t@127.0.0.1:1")
        message = refused(url)
        assert f"by way of the proxy http://127.0.0.1:1 (from {variable}); NO_PROXY names" in message
        assert "s3cr3t" not in message
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        uses_grpc(url)


@pytest.mark.parametrize(
    ("proxy", "says"), [("socks5://h:1", "needs  pip install"), ("odd://u:s3cr3t@h", "cannot be used")]
)
def test_a_proxy_that_cannot_be_used_is_named(proxy: str, says: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", proxy)
    message = refused("http://qdrant.test")
    assert says in message
    assert "(from ALL_PROXY)" in message
    assert "s3cr3t" not in message


def test_a_certificate_of_an_own_ca_needs_it(certificates: Certificates) -> None:
    with misbehaving_qdrant(tls=certificates.for_http()) as (url, _):
        assert "certificate that is not trusted" in (message := refused(url))
        assert "--ca-file FILE" in message
        with open_sink(url, "c", ca_file=certificates.ca) as sink:
            sink.prepare(ENCODER)


def test_a_sink_in_another_process_has_the_ca_too(certificates: Certificates) -> None:
    """Its certificate goes along, not the file's name: another machine has no such file."""
    with both_ports(certificates) as (url, _, _), open_sink(url, "c", api_key=KEY, ca_file=certificates.ca) as sink:
        sink.prepare(ENCODER)
        with pickle.loads(pickle.dumps(sink)) as copy:  # noqa: S301 - our own bytes
            assert copy.check(ENCODER)
            assert copy._backend._grpc


def test_tls_where_there_is_none_and_none_where_there_is(certificates: Certificates) -> None:
    with misbehaving_qdrant() as (url, _):
        assert "speaks no TLS" in refused(url.replace("http:", "https:"))
    with misbehaving_qdrant(tls=certificates.for_http()) as (url, _):
        assert "https:// for TLS" in refused(url.replace("https:", "http:"))


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read: No such file"), (b"", "Expected PEM"), (b"\x30\x82\x01", "Expected PEM")],
)
def test_a_ca_file_that_is_none_is_refused(content: bytes | None, says: str, tmp_path: Path) -> None:
    file = tmp_path / "ca.pem"
    if content is not None:
        file.write_bytes(content)
    assert says in (message := refused("https://127.0.0.1:1", ca_file=file))
    assert str(file) in message


@pytest.mark.parametrize("target", ["http://127.0.0.1:1", ":memory:", "edge:store", "folder"])
def test_a_ca_file_without_tls_is_refused(target: str, tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="a CA file is for https:// alone"):
        open_sink(target, "c", ca_file=tmp_path / "ca.pem")


@pytest.mark.parametrize("key", ["s3cr3t\r\nx", "s3cr3t\u201d"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    assert "the API key has" in (message := refused("http://127.0.0.1:1", api_key=key))
    assert "s3cr3t" not in message


def test_whitespace_around_a_key_is_no_part_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    with misbehaving_qdrant() as (url, seen):
        monkeypatch.setenv("QDRANT_API_KEY", f" {KEY}\r\n")
        uses_grpc(url)
        assert seen.api_keys == {KEY}


def test_a_refused_key_and_an_echoed_one_are_not_shown() -> None:
    with misbehaving_qdrant() as (url, seen):
        seen.needed_key = "another"
        assert "refuses the API key" in (message := refused(url, api_key=KEY))
        seen.needed_key = None
        with open_sink(url, "c", api_key=KEY) as sink:
            sink.prepare(ENCODER)
            seen.forbidden = f"the key {KEY} may only read"
            with pytest.raises(TargetError, match=r"403 Forbidden \(the key \*\*\* may only read\)"):
                sink.upsert([Chunk("a", 0, 1, "one", {}, "m", "r", 3)], ENCODER.encode_documents(["one"]))
    assert KEY not in message


def test_grpc_writes_nothing_of_its_own_to_the_terminal(certificates: Certificates) -> None:
    """The HTTP half is trusted by the environment, so gRPC's handshake is the one that fails."""
    code = "import sys; from embed_plugin.ingest import open_client; open_client(sys.argv[1]).close()"
    with both_ports(certificates) as (url, _, _):
        run = [sys.executable, "-c", code, url]
        told = {"SSL_CERT_FILE": str(certificates.ca), "PYTHONPATH": ":".join(sys.path)}
        done = subprocess.run(run, env=told, capture_output=True, text=True, check=True, timeout=HANG_SECONDS)
    assert (done.stdout, done.stderr) == ("", "")

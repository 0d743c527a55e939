"""What a path, a method and a proxy in front make of a request."""

from __future__ import annotations

import json
import socket
from typing import TYPE_CHECKING

import httpx
import pytest

from embed_plugin import Encoder
from embed_plugin.serve import ServeSettings
from embed_plugin.serve.keys import Keys
from serve.conftest import KEY, serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from serve.conftest import RunningServer

GET_PATHS = [
    "/",
    "/health",
    "/health/live",
    "/health/ready",
    "/info",
    "/metrics",
    "/docs",
    "/openapi.json",
    "/v1/models",
]


@pytest.fixture(scope="module")
def proxied(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    """A server that a proxy shows under a path."""
    with serving(Encoder.load(tiny_model()), ServeSettings(port=0, root_path="/a/b")) as server:
        yield server


@pytest.mark.parametrize("path", GET_PATHS)
def test_head_answers_as_get_without_the_body(server: RunningServer, path: str) -> None:
    got, head = server.client.get(path), server.client.head(path)
    assert (got.status_code, head.status_code, head.content) == (200, 200, b"")
    assert head.headers["content-type"] == got.headers["content-type"]
    if path != "/metrics":  # which has changed since
        assert head.headers["content-length"] == got.headers["content-length"]
    assert server.client.get("/health/live").status_code == 200  # on the same connection


@pytest.mark.parametrize(("path", "status"), [("/embed", 405), ("/nothing", 404)])
def test_head_of_what_get_has_not_is_refused_alike(server: RunningServer, path: str, status: int) -> None:
    assert (server.client.head(path).status_code, server.client.get(path).status_code) == (status, status)


def test_health_means_ready(server: RunningServer) -> None:
    assert server.client.get("/health").json() == server.client.get("/health/ready").json()


def test_health_and_head_need_no_key_where_get_needs_none(locked_server: RunningServer) -> None:
    for path in ("/", "/health", "/health/", "/health/live/", "/health/ready"):
        assert locked_server.client.head(path).status_code == 200
    assert locked_server.client.head("/info").status_code == 401
    assert locked_server.client.get("/info/").status_code == 401


@pytest.mark.parametrize("path", ["/embed", "/v1/embeddings", "/count_tokens"])
def test_a_slash_at_the_end_changes_nothing(server: RunningServer, path: str) -> None:
    body: dict[str, object] = {"texts": ["the cat"], "input": "the cat", "model": server.model.name}
    if path == "/count_tokens":
        del body["model"]
    plain, slashed = (server.client.post(each, json=_fields(path, body)) for each in (path, f"{path}/"))
    assert (plain.status_code, slashed.status_code) == (200, 200)


def _fields(path: str, body: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in body.items() if name != ("texts" if path[:3] == "/v1" else "input")}


@pytest.mark.parametrize("path", [each for each in GET_PATHS if each != "/"])
def test_no_path_redirects(server: RunningServer, path: str) -> None:
    assert server.client.get(f"{path}/", follow_redirects=False).status_code == 200


@pytest.mark.parametrize("prefix", ["", "/a/b"], ids=["taken off by the proxy", "left by it"])
def test_behind_a_proxy_all_paths_are_there(proxied: RunningServer, prefix: str) -> None:
    client = proxied.client
    for path in GET_PATHS:
        assert client.get(prefix + path).status_code == 200, path
    assert client.post(f"{prefix}/embed/", json={"texts": ["the cat"]}).status_code == 200
    refused = client.post(f"{prefix}/v1/embeddings", json={"input": []})
    assert (refused.status_code, refused.json()["error"]["type"]) == (400, "invalid_request_error")


def test_programs_are_told_the_path_that_the_proxy_has(proxied: RunningServer, server: RunningServer) -> None:
    assert proxied.client.get("/openapi.json").json()["servers"] == [{"url": "/a/b"}]
    assert "servers" not in server.client.get("/openapi.json").json()


def test_a_path_in_a_path_is_the_route(tiny_model: Callable[..., Path]) -> None:
    with serving(Encoder.load(tiny_model()), ServeSettings(port=0, root_path="/embed")) as server:
        for path in ("/embed", "/embed/embed"):
            assert server.client.post(path, json={"texts": ["the cat"]}).status_code == 200


@pytest.mark.skipif(not socket.has_dualstack_ipv6(), reason="needs IPv6 and IPv4 on one socket")
def test_all_of_ipv6_is_ipv4_too(tiny_model: Callable[..., Path]) -> None:
    with serving(Encoder.load(tiny_model()), ServeSettings(port=0, host="::")) as server:
        for host in ("127.0.0.1", "[::1]"):
            assert httpx.get(f"http://{host}:{server.port}/health/live").status_code == 200


@pytest.mark.parametrize(
    ("settings", "forwarded", "client"),
    [
        ({}, "192.0.2.1", "127.0.0.1"),
        ({"proxy_headers": True}, "192.0.2.1", "192.0.2.1"),
        ({"proxy_headers": True}, "192.0.2.9, 192.0.2.1", "192.0.2.1"),
        ({"proxy_headers": True, "trusted_proxies": ("10.0.0.0/8",)}, "192.0.2.1", "127.0.0.1"),
        ({"trusted_proxies": ("127.0.0.1",)}, "192.0.2.1", "127.0.0.1"),
        ({"proxy_headers": True}, "a text", None),
    ],
    ids=["not asked for", "of a proxy", "of a chain", "of another", "a proxy alone", "no address"],
)
def test_the_headers_of_a_trusted_proxy_say_who_was_refused(
    tiny_model: Callable[..., Path],
    capsys: pytest.CaptureFixture[str],
    settings: dict[str, object],
    forwarded: str,
    client: str | None,
) -> None:
    keys = Keys([KEY])
    with serving(Encoder.load(tiny_model()), ServeSettings(port=0, **settings), keys) as server:  # type: ignore[arg-type]
        assert server.client.get("/info", headers={"X-Forwarded-For": forwarded}).status_code == 401
    (line,) = [line for line in map(json.loads, capsys.readouterr().err.splitlines()) if line.get("status") == 401]
    assert line.get("client") == client

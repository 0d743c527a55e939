from __future__ import annotations

import os
import re
from importlib.metadata import version
from typing import TYPE_CHECKING

import httpx
import pytest

from embed_plugin import InvalidInputError
from embed_plugin.client import AsyncEmbeddingClient, EmbeddingClient
from embed_plugin.proxies import named_network_variables, unreadable_network_variable
from support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

NAMES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY")
UNREADABLE = [
    ("NO_PROXY", "localhost,[::1]", r"NO_PROXY has the entry '\[::1\]'.*as in ::1"),
    ("no_proxy", "[::1]:8000", r"no_proxy has the entry"),
    ("NO_PROXY", "10.0.0.1, fe80::/10", "NO_PROXY has the entry 'fe80::/10'"),
    ("NO_PROXY", "bücher.example", "NO_PROXY has the entry 'bücher.example'"),
    ("ALL_PROXY", "socks5://user:secret@proxy:1080", r"ALL_PROXY names a SOCKS proxy.*httpx\[socks\]"),
    ("https_proxy", "socks5h://proxy:1080", "https_proxy names a SOCKS proxy"),
    ("HTTPS_PROXY", "socks4://user:secret@proxy:1080", "HTTPS_PROXY names a proxy with the scheme socks4://"),
    ("HTTP_PROXY", "http://user:secret@proxy:port", "HTTP_PROXY is not the URL of a proxy"),
    ("HTTP_PROXY", "http://user:se#cret@proxy:3128", "HTTP_PROXY is not the URL of a proxy"),
    pytest.param(
        *("SSL_CERT_FILE", "/nowhere", "SSL_CERT_FILE names '/nowhere'"),
        marks=pytest.mark.skipif(version("httpx") < "0.28", reason="httpx 0.27 passes over a file that is not there"),
    ),
    ("SSL_CERT_FILE", __file__, "SSL_CERT_FILE names .*which is not a file of certificates"),
]


@pytest.fixture(autouse=True)
def _no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*NAMES, *map(str.lower, NAMES), "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(("name", "value", "says"), UNREADABLE)
def test_what_httpx_cannot_read_is_named_when_a_client_is_made(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(name, value)
    for make in (EmbeddingClient, AsyncEmbeddingClient):
        with pytest.raises(InvalidInputError, match=says) as refused:
            make("http://127.0.0.1:8000")
        assert "cret" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("NO_PROXY", "localhost, ::1,fd00::1,127.0.0.1:80,10.0.0.0/8,.example.com,*.local,http://here:8000,,a_b"),
        ("NO_PROXY", "*"),
        ("HTTPS_PROXY", "proxy:3128"),
        ("HTTP_PROXY", "http://user:secret@[::1]:3128/"),
        ("ALL_PROXY", ""),
    ],
)
def test_what_httpx_can_read_is_not(name: str, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    assert unreadable_network_variable() is None
    httpx.Client().close()


@pytest.mark.parametrize("entry", ["[::1]", "fe80::/10", "a b", "::1%eth0", "a:b", "user@host", "1.2.3.4:5", "é"])
def test_only_what_httpx_refuses_is_refused(entry: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NO_PROXY", entry)
    try:
        httpx.Client().close()
    except (httpx.InvalidURL, ValueError):
        assert unreadable_network_variable()


def test_an_error_that_no_variable_explains_passes() -> None:
    with pytest.raises(ValueError, match="mine"), named_network_variables():
        raise ValueError("mine")


@pytest.mark.parametrize(("name", "value", "says"), UNREADABLE[::4])
def test_the_commands_name_it_too(
    name: str, value: str, says: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv(name, value)
    tmp_path.joinpath("a.txt").write_text("the cat")
    model = ("--model", "http://127.0.0.1:9", "--collection", "c")
    for command in (
        ("ingest", tmp_path / "a.txt", "--to", ":memory:", *model),
        ("verify", "--to", tmp_path / "q", *model),
    ):
        done = run(*command)
        assert done.returncode == 1
        assert re.search(says, done.stderr)
        assert "Traceback" not in done.stderr


def test_lower_case_wins_as_in_urllib(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.name == "nt":
        pytest.skip("variables have no case there")
    monkeypatch.setenv("HTTPS_PROXY", "ftp://there")
    monkeypatch.setenv("https_proxy", "http://there:1")
    assert unreadable_network_variable() is None

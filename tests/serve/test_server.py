"""The command in a process of its own: what it listens on, and how it ends."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import threading
from typing import TYPE_CHECKING

import httpx
import numpy as np
import pytest
from typer.testing import CliRunner

from conftest import HANG_SECONDS
from embed_plugin import Encoder, InvalidInputError, ServiceError
from embed_plugin.cli.app import app
from embed_plugin.serve import ServeSettings, run
from embed_plugin.serve.server import connection_class, listen
from serve.conftest import KEY, wait_until
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serve.conftest import ServerProcess

posix = pytest.mark.skipif(os.name != "posix", reason="needs signals")


def test_a_public_address_without_a_key_is_refused(tiny_encoder: Encoder) -> None:
    with pytest.raises(InvalidInputError, match=r"0\.0\.0\.0 can be reached .* --keys-file, or --public-without-key"):
        run(tiny_encoder, ServeSettings(host="0.0.0.0", port=0))  # noqa: S104 - the subject


def test_a_port_that_is_taken_is_named() -> None:
    with listen(ServeSettings(port=0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"cannot listen on 127\.0\.0\.1:{port} \(.*\): choose another"):
            listen(ServeSettings(port=port))


def test_an_address_may_have_the_brackets_of_a_url() -> None:
    if not socket.has_ipv6:
        pytest.skip("needs IPv6")
    with listen(ServeSettings(host="[::1]", port=0)) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ServiceError, match=rf"cannot listen on \[::1\]:{port} "):
            listen(ServeSettings(host="::1", port=port))


def test_a_bad_model_is_one_line_and_exit_code_1(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "embed_plugin.cli", "serve", str(tmp_path / "nothing")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "is not a folder" in done.stderr


@posix
def test_the_command_serves_logs_and_ends(start_server: Callable[..., ServerProcess], tiny_encoder: Encoder) -> None:
    server = start_server("--model-name", "tiny", env={"EMBED_PLUGIN_KEYS": KEY})
    server.wait_until_ready()
    with httpx.Client(base_url=server.url, headers={"Authorization": f"Bearer {KEY}"}) as client:
        answer = client.post("/embed", json={"texts": ["a secret text"], "model": "tiny"})
    expected = tiny_encoder.encode_documents(["a secret text"])
    np.testing.assert_array_equal(np.array(answer.json()["embeddings"], np.float32), expected)
    assert httpx.get(f"{server.url}/info").status_code == 401
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0
    asked = server.event("request")
    assert (asked["route"], asked["status"], asked["lane"], asked["tokens"]) == ("/embed", 200, "interactive", 10)
    assert [each["event"] for each in server.log if each["event"] != "request"] == ["listening", "draining", "stopped"]
    written = json.dumps(server.log)
    assert "secret" not in written
    assert KEY not in written


@posix
def test_a_log_that_nobody_reads_any_more_stops_nothing(tiny_model: Callable[..., Path]) -> None:
    command = [sys.executable, "-m", "embed_plugin.cli", "serve", str(tiny_model()), "--port", "0"]
    command += ["--drain-delay", "0"]
    with killed_on_failure(subprocess.Popen(command, stderr=subprocess.PIPE, text=True)) as process:
        assert process.stderr is not None
        port = json.loads(process.stderr.readline())["port"]
        process.stderr.close()
        wait_until(lambda: httpx.get(f"http://127.0.0.1:{port}/health/ready", timeout=HANG_SECONDS).status_code == 200)
        for _ in range(3):
            assert httpx.post(f"http://127.0.0.1:{port}/embed", json={"texts": ["the cat"]}).status_code == 200
        process.send_signal(signal.SIGTERM)
        assert process.wait(HANG_SECONDS) == 0


class Asker:
    """Asks in a loop until it is told that the server is draining or gone; keeps what became of every request."""

    def __init__(self, url: str, texts: list[str], expected: bytes) -> None:
        self.outcomes: list[object] = []
        self._url, self._texts, self._expected = url, texts, expected
        self.thread = threading.Thread(target=self._ask)
        self.thread.start()

    def _ask(self) -> None:
        headers = {"Accept": "application/octet-stream"}
        with httpx.Client(base_url=self._url, timeout=HANG_SECONDS, headers=headers) as client:
            while not self.outcomes or self.outcomes[-1] == 200:
                try:
                    answer = client.post("/embed", json={"texts": self._texts})
                except httpx.ConnectError:
                    self.outcomes.append("nobody listens")
                    return
                right = answer.status_code != 200 or answer.content == self._expected
                self.outcomes.append(answer.status_code if right else "wrong vectors")


@posix
@pytest.mark.parametrize("sig", [signal.SIGTERM, signal.SIGINT], ids=lambda sig: sig.name)
def test_a_signal_under_load_loses_nothing(
    start_server: Callable[..., ServerProcess], tiny_encoder: Encoder, sig: signal.Signals
) -> None:
    server = start_server()
    server.wait_until_ready()
    texts = {"query": ["the cat"], "bulk": [f"cat {n} " * 40 for n in range(400)]}
    expected = {name: tiny_encoder.encode_documents(each).tobytes() for name, each in texts.items()}
    askers = [Asker(server.url, texts[name], expected[name]) for name in ("query", "bulk") * 4]
    wait_until(lambda: sum(len(asker.outcomes) for asker in askers) >= 40)
    server.process.send_signal(sig)
    for asker in askers:
        asker.thread.join(HANG_SECONDS)
    assert server.end() == 0
    for asker in askers:
        *served, last = asker.outcomes
        assert set(served) <= {200}
        assert last in {503, "nobody listens"}
    assert any(asker.outcomes[-1] == 503 for asker in askers)
    assert not [each for each in server.log if each["level"] == "error"]


SIGNALLED_WHILE_IT_LOGS = """
import os, signal
from embed_plugin.cli import main
from embed_plugin.serve.logs import Stderr

write = Stderr.write

def interrupted(stderr, text):
    if '"request"' in text and "/embed" in text:
        os.kill(os.getpid(), signal.SIGTERM)
    return write(stderr, text)

Stderr.write = interrupted
main()
"""
"""Sends the signal at the one moment at which its handler may not log: while the log's lock is held."""


@posix
def test_a_signal_while_it_logs_is_taken_after_that(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(program=("-c", SIGNALLED_WHILE_IT_LOGS))
    server.wait_until_ready()
    assert httpx.post(f"{server.url}/embed", json={"texts": ["the cat"]}).status_code == 200
    assert server.end() == 0
    assert "draining" in [each["event"] for each in server.log]


DRAINS_FOR_LONG = """
from embed_plugin.cli import main
from embed_plugin.serve import server

server.DRAINING_SECONDS = 3600
main()
"""


@posix
def test_while_it_drains_it_is_not_ready_and_says_so(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(program=("-c", DRAINS_FOR_LONG))
    server.wait_until_ready()
    with httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client:
        server.process.send_signal(signal.SIGTERM)
        while (ready := client.get("/health/ready")).status_code == 200:
            pass
        assert (ready.status_code, ready.json()["error"]["code"]) == (503, "draining")
        assert ready.headers["connection"] == "close"
        assert client.get("/health/live").status_code == 200
        refused = client.post("/embed", json={"texts": ["the cat"]})
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "1")


@posix
def test_a_second_signal_ends_it_at_once(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--drain", "600")
    server.wait_until_ready()
    port = int(server.url.rsplit(":", 1)[1])
    with socket.create_connection(("127.0.0.1", port)) as unfinished:
        unfinished.sendall(b"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{")
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: "draining" in [each["event"] for each in server.log])
        server.process.send_signal(signal.SIGTERM)
        server.end()


@posix
def test_for_the_time_of_the_delay_it_is_not_ready_and_serves_on(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server("--drain-delay", "2")
    server.wait_until_ready()
    with httpx.Client(base_url=server.url, timeout=HANG_SECONDS) as client:
        server.process.send_signal(signal.SIGTERM)
        wait_until(lambda: client.get("/health/ready").status_code == 503)
        served = client.post("/embed", json={"texts": ["the cat"]})
        assert (served.status_code, served.headers["connection"]) == (200, "close")
        assert client.get("/health").status_code == 503
        assert client.get("/health/live").status_code == 200
    assert server.end() == 0
    assert server.event("draining")["delay"] == 2


@posix
@pytest.mark.parametrize("signals", [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT,)], ids=["again", "Ctrl-C"])
def test_the_delay_is_for_load_balancers_alone(
    start_server: Callable[..., ServerProcess], signals: tuple[signal.Signals, ...]
) -> None:
    server = start_server("--drain-delay", "3600")
    server.wait_until_ready()
    for sig in signals:
        server.process.send_signal(sig)
        wait_until(lambda: "draining" in [each["event"] for each in server.log])
    assert server.end() == 0


def answers_to(server: ServerProcess, key: str) -> int:
    return httpx.get(f"{server.url}/info", headers={"Authorization": f"Bearer {key}"}).status_code


RELOADED = ("keys read again", "the keys stay as they are")


def hang_up(server: ServerProcess) -> str:
    """Send the signal; the event that it makes."""
    before = len(server.log)
    server.process.send_signal(signal.SIGHUP)
    wait_until(lambda: any(each["event"] in RELOADED for each in server.log[before:]))
    return next(str(each["event"]) for each in server.log[before:] if each["event"] in RELOADED)


@posix
def test_a_hangup_reads_the_keys_again(start_server: Callable[..., ServerProcess], tmp_path: Path) -> None:
    keys = tmp_path / "keys"
    keys.write_text(KEY)
    server = start_server("--keys-file", str(keys))
    server.wait_until_ready()
    assert (answers_to(server, KEY), answers_to(server, f"{KEY}-2")) == (200, 401)
    for content, event in ((f"{KEY}-2", "keys read again"), ("short", "the keys stay as they are")):
        keys.write_text(content)
        assert hang_up(server) == event
        assert (answers_to(server, KEY), answers_to(server, f"{KEY}-2")) == (401, 200)
    keys.unlink()
    assert hang_up(server) == "the keys stay as they are"
    assert answers_to(server, f"{KEY}-2") == 200
    server.process.send_signal(signal.SIGTERM)
    assert server.end() == 0


@posix
def test_a_hangup_without_a_file_of_keys_ends_nothing(start_server: Callable[..., ServerProcess]) -> None:
    server = start_server(env={"EMBED_PLUGIN_KEYS": KEY})
    server.wait_until_ready()
    assert hang_up(server) == "keys read again"
    assert (answers_to(server, KEY), answers_to(server, f"{KEY}-2")) == (200, 401)


@pytest.mark.parametrize("option", ["--deadline", "--drain", "--drain-delay"])
@pytest.mark.parametrize("value", ["nan", "inf", "-1"])
def test_a_time_that_is_none_is_wrong_usage(tmp_path: Path, option: str, value: str) -> None:
    done = CliRunner().invoke(app, ["serve", str(tmp_path), option, value])
    assert done.exit_code == 2
    assert value in done.output


def test_h11_takes_over_where_httptools_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection_class().__name__ == "HttptoolsConnection"
    monkeypatch.setitem(sys.modules, "httptools", None)
    monkeypatch.delitem(sys.modules, "embed_plugin.serve.connections.httptools_connection")
    assert connection_class().__name__ == "H11Connection"

"""The log holds nothing of what clients send, whoever writes it."""

from __future__ import annotations

import asyncio
import json
import logging
from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
from pydantic import TypeAdapter, ValidationError

from embed_plugin import Encoder
from embed_plugin.serve.lifecycle import Lifecycle
from embed_plugin.serve.logs import FOREIGN_LOGGERS, traceback_without_values
from embed_plugin.serve.scheduler import RequestJob
from serve.conftest import serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from serve.conftest import RunningServer

SECRET = "a secret text"  # noqa: S105 - no password


class EnginePanicError(BaseException):
    """Stands for a panic of a Rust library, which is no Exception."""


def explode(text: str) -> None:
    raise ValueError(f"cannot read {text}")


def log_of(capfd: pytest.CaptureFixture[str]) -> str:
    written = "".join(capfd.readouterr())
    assert "secret" not in written
    return written


@pytest.mark.parametrize("levels", [30, 900, 40_000])
@pytest.mark.parametrize("field", ["input", "model", "role", "user"])
def test_a_nested_body_is_no_failure(
    server: RunningServer, capfd: pytest.CaptureFixture[str], levels: int, field: str
) -> None:
    body = f'{{"model": "m", "input": "{SECRET}", "{field}": {"[" * levels}"{SECRET}"{"]" * levels}}}'
    answer = server.client.post("/v1/embeddings", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code in {400, 404, 422}
    assert "traceback" not in log_of(capfd)


def test_a_callback_that_fails_on_the_event_loop(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with serving(Encoder.load(tiny_model())) as server:
        fail = lambda _: asyncio.get_running_loop().call_soon(explode, SECRET)  # noqa: E731 - a patch
        monkeypatch.setattr(Lifecycle, "check", fail)
        assert server.embed([SECRET]).status_code == 200
    log = log_of(capfd)
    assert "a task failed" in log
    assert "in explode" in log
    assert "ValueError" in log


def test_a_failure_that_only_the_server_catches(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def fail(_: RequestJob) -> None:
        raise EnginePanicError(SECRET)

    with serving(Encoder.load(tiny_model())) as server:
        monkeypatch.setattr(RequestJob, "results", fail)
        with suppress(httpx.RemoteProtocolError):
            assert server.embed([SECRET]).status_code == 500
    log = log_of(capfd)
    assert "Exception in ASGI application" in log
    assert "EnginePanicError" in log


@pytest.mark.parametrize("name", [*FOREIGN_LOGGERS, "uvicorn.error"])
def test_exceptions_of_other_loggers_are_lines_of_json_without_values(
    capfd: pytest.CaptureFixture[str], name: str
) -> None:
    try:
        explode(SECRET)
    except ValueError:
        logging.getLogger(name).exception("it failed")
    written = json.loads(log_of(capfd))
    assert written["event"] == "it failed"
    assert written["traceback"].endswith("ValueError")


def test_a_chain_of_causes_has_no_values() -> None:
    with pytest.raises(ValidationError, match=SECRET) as cause:  # pydantic quotes its input
        TypeAdapter(int).validate_python(SECRET)
    error = RuntimeError(SECRET)
    error.__cause__ = cause.value
    text = traceback_without_values(error)
    assert text.index("ValidationError") < text.index("RuntimeError")
    assert SECRET not in text


def test_a_path_of_a_clients_own_is_not_logged(server: RunningServer, capfd: pytest.CaptureFixture[str]) -> None:
    assert server.client.get("/a secret path").status_code == 404
    wait_until(lambda: '"route": "unmatched"' in log_of(capfd))  # it is written after the answer

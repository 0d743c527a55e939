from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import httpx
import pytest
import structlog

from embed_plugin import Encoder
from embed_plugin.encode.queue import BatchReport
from embed_plugin.serve import ServeSettings, request_guard
from embed_plugin.serve.admission import LEAST_BULK_TOKENS
from embed_plugin.serve.keys import Keys
from embed_plugin.serve.scheduler import RequestJob
from serve.conftest import KEY, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable
    from pathlib import Path

    from embed_plugin import Vectors
    from serve.conftest import HeldEncoder, RunningServer


def test_ready_means_that_a_forward_pass_went_through(held: HeldEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(held.encoder) as server:
        monkeypatch.setattr("embed_plugin.serve.lifecycle.PROBE_EVERY_SECONDS", 3600)
        before = len(held.shapes)
        assert server.client.get("/health/live").json() == {"status": "alive"}
        assert server.client.get("/health/ready").json()["fingerprint"] == held.encoder.fingerprint
        assert len(held.shapes) == before + 1
        for _ in range(20):
            assert server.client.get("/health/ready").status_code == 200
        assert len(held.shapes) == before + 1  # one in this time, however many ask
        monkeypatch.setattr("embed_plugin.serve.lifecycle.PROBE_EVERY_SECONDS", 0)
        assert server.client.get("/health/ready").status_code == 200
        assert len(held.shapes) == before + 2


def test_not_ready_before_it_is_warm(held: HeldEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(held.encoder) as server:
        monkeypatch.setattr(server.service.lifecycle, "phase", "starting")
        for answer in (server.client.get("/health/ready"), server.embed(["the cat"])):
            assert (answer.status_code, answer.json()["error"]["code"]) == (503, "not_ready")
            assert int(answer.headers["retry-after"]) >= 1
        assert server.client.get("/health/live").status_code == 200


def test_a_model_that_gives_no_vectors_is_not_ready(held: HeldEncoder, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(held.encoder) as server:
        monkeypatch.setattr("embed_plugin.serve.lifecycle.PROBE_SECONDS", 0.05)
        held.gate.clear()
        answer = server.client.get("/health/ready")
        held.gate.set()
        assert answer.status_code == 503
        assert "TimeoutError" in answer.json()["error"]["message"]


def test_an_engine_that_fails_is_not_ready_and_an_internal_error(
    held: HeldEncoder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the engine failed")

    with serving(held.encoder) as server:
        monkeypatch.setattr(held, "_run", fail)
        assert server.client.get("/health/ready").status_code == 503
        answer = server.embed(["the cat"])
        assert (answer.status_code, answer.json()["error"]["code"]) == (500, "internal")
        assert "engine" not in answer.text


@pytest.mark.parametrize("accept", ["application/json", "application/x-ndjson"], ids=["before", "within the response"])
def test_a_failure_is_logged_without_texts_and_keys_whatever_the_log(
    tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], accept: str
) -> None:
    def fail(_: RequestJob) -> AsyncIterator[Vectors]:
        texts = ["a secret text"]
        raise RuntimeError(f"cannot encode {texts}")

    configured = structlog.get_config()
    structlog.reset_defaults()
    try:
        with serving(Encoder.load(tiny_model()), keys=Keys([KEY])) as server:
            monkeypatch.setattr(request_guard, "LOG", structlog.get_logger())
            monkeypatch.setattr(RequestJob, "stream", fail)
            headers = {"Accept": accept, "Authorization": f"Bearer {KEY}"}
            with suppress(httpx.RemoteProtocolError):
                assert server.embed(["a secret text"], headers=headers).status_code == 500
    finally:
        structlog.configure(**configured)
    log = "".join(capfd.readouterr())
    assert "the request failed" in log
    assert "test_health.py" in log
    assert "RuntimeError" in log
    assert "secret" not in log
    assert KEY not in log


def test_probes_need_no_key_and_everything_else_does(locked_server: RunningServer) -> None:
    client = locked_server.client
    for path in ("/health/live", "/health/ready", "/", "/docs"):
        assert client.get(path).status_code == 200
    for path in ("/metrics", "/info", "/openapi.json", "/v1/models", "/nothing"):
        refused = client.get(path)
        assert (refused.status_code, refused.headers["www-authenticate"]) == (401, "Bearer")
        assert client.get(path, headers={"Authorization": f"Bearer {KEY}"}).status_code in {200, 404}
    assert locked_server.embed(["the cat"]).json()["error"]["code"] == "unauthorized"
    assert locked_server.embed(["the cat"], headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_the_limits_follow_the_speed_after_a_start_on_a_busy_machine(held: HeldEncoder) -> None:
    with serving(held.encoder, ServeSettings(port=0)) as server:
        scheduler = server.service.scheduler
        for tokens in (10, 10**8):
            scheduler.throughput.reset()
            scheduler.throughput.add(BatchReport(1, tokens, 0, 1.0, (), ()))
            expected = max(LEAST_BULK_TOKENS, 10 * tokens)
            gauge = server.service.metrics.registry.get_sample_value("embed_queue_limit_tokens", {"lane": "bulk"})
            assert gauge == expected
            assert scheduler.admission.limit("interactive") == expected // 10

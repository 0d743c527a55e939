"""The parts of benchmarks/run/service_load.py that must be right for its figures to mean something."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from lib.http_connections import Connections, post
from lib.load_table import row_of
from lib.open_loop import QUERY_SHARE, Outcome, Request, arrivals, open_loop
from lib.service_process import ServiceProcess

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from embed_plugin import Encoder
    from serve.conftest import RunningServer

FLOATS = {"Accept": "application/octet-stream"}
TEXTS = ["the cat", "a dog"]


def test_as_many_tokens_are_asked_for_as_were_wanted() -> None:
    query, bulk = Request("query", 12, b"", b""), Request("bulk", 3000, b"", b"")
    planned = arrivals(20_000, 500, [query], [bulk])
    times = [at for at, _ in planned]
    assert times == sorted(times)
    tokens = {kind: sum(each.tokens for _, each in planned if each.kind == kind) for kind in ("query", "bulk")}
    assert sum(tokens.values()) / 500 == pytest.approx(20_000, rel=0.1)
    assert tokens["query"] / sum(tokens.values()) == pytest.approx(QUERY_SHARE, rel=0.1)


def test_connections_are_kept_and_a_closed_one_is_an_answer_of_nothing(
    server: RunningServer, tiny_encoder: Encoder
) -> None:
    async def ask() -> None:
        connections = Connections(server.port)
        raw = post("/embed", {"texts": TEXTS}, FLOATS)
        answers = [await connections.ask(raw) for _ in range(3)]
        assert {answer.body for answer in answers} == {tiny_encoder.encode_documents(TEXTS).tobytes()}
        assert answers[0].headers["embed-dimension"] == "32"
        assert len(connections._idle) == 1
        assert (await connections.ask(b"no HTTP\r\n\r\n")).status == 400
        connections.close()

    asyncio.run(ask())


def test_wrong_vectors_lost_and_refused_requests_are_counted(
    tiny_model: Callable[..., Path], tiny_encoder: Encoder
) -> None:
    raw, right = post("/embed", {"texts": TEXTS}, FLOATS), tiny_encoder.encode_documents(TEXTS).tobytes()
    planned = [
        (0.0, Request("query", 8, raw, right)),
        (0.01, Request("query", 8, raw, b"others")),
        (0.02, Request("bulk", 8, post("/nothing", {}), b"")),
    ]
    with ServiceProcess(tiny_model()) as service:
        outcome = asyncio.run(open_loop(service, planned))
    assert outcome.statuses == {("query", 200): 2, ("bulk", 404): 1}
    assert outcome.wrong == 1
    assert "0, 0, 1" in row_of(1.2, outcome)
    assert min(outcome.resident_bytes) > 2**20


def test_what_came_after_retry_after_is_in_the_table() -> None:
    outcome = Outcome(resident_bytes=[2**20])
    outcome.statuses["bulk", 429] = 3
    outcome.let_in_later.update({True: 2, False: 1})
    assert "2 of 3" in row_of(1.2, outcome)

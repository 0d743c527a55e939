"""Lanes, admission, deadlines and clients that go away, on a machine that is busy for as long as the test says."""

from __future__ import annotations

import json
import socket
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin.serve import ServeSettings
from serve.conftest import serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from serve.conftest import HeldEncoder, RunningServer

BULK = ["cat " * 48] * 40
LIMIT = 1000


@pytest.fixture
def busy(held: HeldEncoder) -> Iterator[RunningServer]:
    """A server with one worker; 1000 tokens may wait in its bulk lane, 100 in the interactive one."""
    with serving(held.encoder, ServeSettings(port=0, queue_tokens=LIMIT)) as server:
        yield server


@pytest.fixture
def threads(held: HeldEncoder) -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(16) as threads:
        yield threads
        held.gate.set()


def block(held: HeldEncoder, server: RunningServer, threads: ThreadPoolExecutor) -> None:
    """Let the one worker begin a run that does not end."""
    held.gate.clear()
    runs = len(held.shapes)
    threads.submit(server.embed, ["the cat"])
    wait_until(lambda: len(held.shapes) == runs + 1)


def waiting(server: RunningServer) -> int:
    queued = server.encoder.runtime.queued_tokens
    return queued.small + queued.large


def send_and_vanish(server: RunningServer, texts: list[str], *, tokens: int) -> None:
    """Ask, wait until so many tokens are queued, and close the connection."""
    body = json.dumps({"texts": texts}).encode()
    head = f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    with socket.create_connection(("127.0.0.1", server.port)) as connection:
        connection.sendall(head.encode() + body)
        wait_until(lambda: waiting(server) >= tokens)


def test_a_query_goes_before_bulk_that_came_first(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor
) -> None:
    block(held, busy, threads)
    bulk = threads.submit(busy.embed, BULK)
    wait_until(lambda: waiting(busy) >= 2000)
    query = threads.submit(busy.embed, ["where is the cat"], role="query")
    wait_until(lambda: busy.encoder.runtime.queued_tokens.small > 0)
    runs = len(held.shapes)
    held.gate.set()
    assert query.result().status_code == bulk.result().status_code == 200
    assert held.shapes[runs][1] < 50  # the query's; bulk has 50 tokens a text


def test_equal_lengths_of_different_requests_share_a_run(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor
) -> None:
    block(held, busy, threads)
    answers = [threads.submit(busy.embed, [f"{word} sat on"]) for word in ("cat", "dog", "mat")]
    wait_until(lambda: waiting(busy) == 15)
    held.gate.set()
    assert [answer.result().status_code for answer in answers] == [200] * 3
    assert (3, 5) in held.shapes


def test_too_much_waiting_is_refused_by_lane_with_a_time_that_is_true(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor
) -> None:
    block(held, busy, threads)
    bulk = threads.submit(busy.embed, BULK)
    wait_until(lambda: waiting(busy) == 2000)
    refused = busy.embed(BULK)
    assert (refused.status_code, refused.json()["error"]["code"]) == (429, "overloaded")
    rate = busy.service.scheduler.throughput.tokens_per_second("bulk")
    assert int(refused.headers["retry-after"]) == max(1, np.ceil((2000 - LIMIT + 1) / rate))
    query = threads.submit(busy.embed, ["the cat"])
    wait_until(lambda: busy.encoder.runtime.queued_tokens.small > 0)
    held.gate.set()
    assert (bulk.result().status_code, query.result().status_code) == (200, 200)
    assert busy.embed(BULK).status_code == 200


def test_a_full_interactive_lane_refuses_a_query(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor
) -> None:
    block(held, busy, threads)
    first = threads.submit(busy.embed, ["cat " * 120])
    wait_until(lambda: waiting(busy) == 122)
    assert busy.embed(["the cat"]).status_code == 429
    held.gate.set()
    assert first.result().status_code == 200


def test_a_client_that_vanishes_costs_no_more(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor
) -> None:
    block(held, busy, threads)
    for _ in range(3):
        send_and_vanish(busy, BULK, tokens=2000)
        wait_until(lambda: waiting(busy) == 0)
    runs = len(held.shapes)
    held.gate.set()
    assert busy.embed(["a dog"]).status_code == 200
    assert all(length < 50 for _, length in held.shapes[runs:])
    assert 'status="499"} 3.0' in busy.client.get("/metrics").text


def test_a_client_that_vanishes_while_it_is_tokenised_is_never_queued(
    busy: RunningServer, monkeypatch: pytest.MonkeyPatch, held: HeldEncoder
) -> None:
    connection = socket.create_connection(("127.0.0.1", busy.port))
    tokenise = held.encoder.runtime.tokenise
    slices: list[int] = []

    def vanish(texts: list[str], **options: object) -> object:
        slices.append(len(texts))
        connection.close()
        wait_until(lambda: 'status="499"} 1.0' in busy.client.get("/metrics").text)
        return tokenise(texts, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(held.encoder.runtime, "tokenise", vanish)
    runs = len(held.shapes)
    body = json.dumps({"texts": ["cat " * 30] * 200}).encode()
    head = f"POST /embed HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    connection.sendall(head.encode() + body)
    wait_until(lambda: 'status="499"} 1.0' in busy.client.get("/metrics").text)
    monkeypatch.undo()
    assert busy.embed(["a dog"]).status_code == 200
    assert slices == [64]
    assert busy.service.scheduler.admission.waiting("bulk") == 0
    assert all(length < 30 for _, length in held.shapes[runs:])


@pytest.mark.parametrize("texts", [["the cat"], BULK], ids=["a query", "bulk"])
def test_a_deadline_is_kept_and_drops_the_work(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor, texts: list[str]
) -> None:
    block(held, busy, threads)
    late = busy.embed(texts, headers={"Embed-Deadline-Ms": "50"})
    assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
    assert waiting(busy) == 0


def test_a_deadline_in_the_midst_of_lines_is_their_last_line(
    held: HeldEncoder, busy: RunningServer, threads: ThreadPoolExecutor
) -> None:
    block(held, busy, threads)
    for milliseconds in ("80", "800", "8000", "80000"):  # on a busy machine it may come before the first line
        headers = {"Embed-Deadline-Ms": milliseconds, "Accept": "application/x-ndjson"}
        late = busy.embed(BULK, headers=headers)
        if late.status_code != 504:
            break
    assert late.status_code == 200
    assert json.loads(late.text.splitlines()[-1])["error"]["code"] == "deadline_exceeded"
    assert waiting(busy) == 0


@pytest.mark.parametrize("value", ["0", "-3", "soon", "9" * 5000])
def test_a_deadline_that_is_none_is_refused(busy: RunningServer, value: str) -> None:
    assert busy.embed(["the cat"], headers={"Embed-Deadline-Ms": value}).status_code == 422

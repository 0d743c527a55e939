"""Requests sent at times drawn beforehand, whether or not earlier ones were answered, and their outcome."""

from __future__ import annotations

import asyncio
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lib.http_connections import Connections

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lib.http_connections import Answer
    from lib.service_process import ServiceProcess

QUERY_SHARE = 0.05
"""The share of queries in all tokens offered."""

CLOSED_LOOP_REQUESTS = 3
"""Bulk requests under way at once when throughput is measured: one is encoded, one waits, one is on its way."""

OK, OVERLOADED = 200, 429


@dataclass(frozen=True)
class Request:
    """A request and the bytes that must come back."""

    kind: str
    tokens: int
    raw: bytes
    expected: bytes


@dataclass
class Outcome:
    """The outcome of the requests of one load."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"query": [], "bulk": []})
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: int = 0
    retry_after: list[int] = field(default_factory=list)
    let_in_later: Counter[bool] = field(default_factory=Counter)
    resident_bytes: list[int] = field(default_factory=list)


def arrivals(
    rate: float, seconds: float, queries: Sequence[Request], bulk: Sequence[Request]
) -> list[tuple[float, Request]]:
    """Times and requests that offer ``rate`` tokens a second on average."""
    rng = random.Random(0)  # noqa: S311 - a seeded order, no secret
    planned = []
    for requests, share in ((queries, QUERY_SHARE), (bulk, 1 - QUERY_SHARE)):
        per_second = share * rate / statistics.mean(request.tokens for request in requests)
        at = rng.expovariate(per_second)
        while at < seconds:
            planned.append((at, rng.choice(requests)))
            at += rng.expovariate(per_second)
    return sorted(planned, key=lambda each: each[0])


async def open_loop(service: ServiceProcess, planned: Sequence[tuple[float, Request]]) -> Outcome:
    """Send every request at its time."""
    outcome, connections = Outcome(), Connections(service.port)
    started = time.perf_counter()
    sampling = asyncio.create_task(_sample_memory(service, outcome))
    tasks = set()
    for at, request in planned:
        await asyncio.sleep(max(0, started + at - time.perf_counter()))
        task = asyncio.create_task(_send(connections, request, started + at, outcome))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
    await asyncio.gather(*tasks)
    sampling.cancel()
    connections.close()
    return outcome


async def _send(connections: Connections, request: Request, due: float, outcome: Outcome) -> None:
    answer = await connections.ask(request.raw)
    _note(request, answer, due, outcome)
    if answer.status == OVERLOADED:
        seconds = int(answer.headers["retry-after"])
        outcome.retry_after.append(seconds)
        await asyncio.sleep(seconds)
        again = await connections.ask(request.raw)
        outcome.let_in_later[again.status == OK] += 1
        outcome.wrong += again.status == OK and again.body != request.expected


def _note(request: Request, answer: Answer, due: float, outcome: Outcome) -> None:
    outcome.statuses[request.kind, answer.status] += 1
    if answer.status == OK:
        outcome.seconds[request.kind].append(time.perf_counter() - due)
        outcome.wrong += answer.body != request.expected


async def _sample_memory(service: ServiceProcess, outcome: Outcome) -> None:
    while True:
        outcome.resident_bytes.append(service.resident_bytes)
        await asyncio.sleep(1)

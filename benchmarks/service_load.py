"""The service under load: what HTTP costs, and what happens at 50, 80 and 120 percent of what it can do.

Run:  .venv/bin/python benchmarks/service_load.py models/minilm-int8
      .venv/bin/python benchmarks/service_load.py models/minilm-int8 --loads 1.2 --seconds 600

Open loop: requests are sent at times drawn beforehand (Poisson), whether or not earlier ones were answered, and their
latency counts from the time they should have been sent. A fifth of the tokens are single queries of 12 tokens, the
others bulk requests of 64 texts of 5 to 93 tokens. Every vector that comes back is compared with the bare encoder's.
A request that gets 429 is sent once more after the seconds that Retry-After names, and it is counted whether it is let
in then. Load generator and service share the machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import random
import statistics
import time
from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uvloop

from embed_plugin import Encoder
from embed_plugin.model_folder import TOKENIZER
from http_connections import Connections, post
from service_process import ServiceProcess
from tables import figure, table
from workloads import QUERY, TextCutter, short_lengths, source_texts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from http_connections import Answer

FLOATS = {"Accept": "application/octet-stream"}
QUERY_SHARE = 0.2
BULK_TEXTS = 64
BULK_REQUESTS = 40
CLOSED_LOOP_REQUESTS = 3
"""Bulk requests under way at once when throughput is measured: one is encoded, one waits, one is on its way."""

ROUNDS = 5
QUERIES = 1000


@dataclass(frozen=True)
class Request:
    """A request and the bytes that must come back."""

    lane: str
    tokens: int
    raw: bytes
    expected: bytes


@dataclass
class Outcome:
    """What became of the requests of one load."""

    seconds: dict[str, list[float]] = field(default_factory=lambda: {"query": [], "bulk": []})
    statuses: Counter[tuple[str, int]] = field(default_factory=Counter)
    wrong: int = 0
    retry_after: list[int] = field(default_factory=list)
    let_in_later: Counter[bool] = field(default_factory=Counter)
    resident_bytes: list[int] = field(default_factory=list)


def make_requests(encoder: Encoder) -> tuple[list[Request], list[Request]]:
    """Queries, and bulk requests."""
    cutter = TextCutter(encoder.folder / TOKENIZER, source_texts()[1])
    lengths = short_lengths(BULK_TEXTS * BULK_REQUESTS)
    texts = cutter.cut("A", lengths).texts
    parts = [texts[first : first + BULK_TEXTS] for first in range(0, len(texts), BULK_TEXTS)]
    bulk = [_request("bulk", part, encoder) for part in parts]
    return [_request("query", [QUERY], encoder)], bulk


def _request(lane: str, texts: list[str], encoder: Encoder) -> Request:
    role = "query" if lane == "query" else "document"
    vectors = (encoder.encode_queries if lane == "query" else encoder.encode_documents)(texts)
    tokens = int(encoder.count_tokens(texts, role=role).sum())  # type: ignore[arg-type]
    return Request(lane, tokens, post("/embed", {"texts": texts, "role": role}, FLOATS), vectors.tobytes())


def bare_rate(encoder: Encoder, texts: list[str], tokens: int) -> float:
    """Tokens a second of the encoder alone."""
    started = time.perf_counter()
    encoder.encode_documents(texts)
    return tokens / (time.perf_counter() - started)


async def service_rate(connections: Connections, bulk: Sequence[Request]) -> float:
    """Tokens a second of the service, asked by a few clients that each wait for their answers."""
    left: Iterator[Request] = iter(bulk)

    async def client() -> None:
        for request in left:
            answer = await connections.ask(request.raw)
            assert answer.body == request.expected, answer.status  # noqa: S101 - a benchmark of wrong vectors is none

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(CLOSED_LOOP_REQUESTS)))
    return sum(request.tokens for request in bulk) / (time.perf_counter() - started)


async def query_milliseconds(connections: Connections, query: Request) -> list[float]:
    """Latency of single queries on an idle service."""
    taken = []
    for _ in range(QUERIES):
        started = time.perf_counter()
        await connections.ask(query.raw)
        taken.append(1000 * (time.perf_counter() - started))
        await asyncio.sleep(0.002)
    return taken


def bare_query_milliseconds(encoder: Encoder) -> list[float]:
    """The same without a service."""
    taken = []
    for _ in range(QUERIES):
        started = time.perf_counter()
        encoder.encode_queries([QUERY])
        taken.append(1000 * (time.perf_counter() - started))
        time.sleep(0.002)
    return taken


def arrivals(
    rate: float, seconds: float, queries: Sequence[Request], bulk: Sequence[Request]
) -> list[tuple[float, Request]]:
    """Times and requests, so that on average so many tokens a second are asked for."""
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
    if answer.status == 429:  # noqa: PLR2004 - HTTP's
        seconds = int(answer.headers["retry-after"])
        outcome.retry_after.append(seconds)
        await asyncio.sleep(seconds)
        again = await connections.ask(request.raw)
        outcome.let_in_later[again.status == 200] += 1  # noqa: PLR2004 - HTTP's
        outcome.wrong += again.status == 200 and again.body != request.expected  # noqa: PLR2004


def _note(request: Request, answer: Answer, due: float, outcome: Outcome) -> None:
    outcome.statuses[request.lane, answer.status] += 1
    if answer.status == 200:  # noqa: PLR2004 - HTTP's
        outcome.seconds[request.lane].append(time.perf_counter() - due)
        outcome.wrong += answer.body != request.expected


async def _sample_memory(service: ServiceProcess, outcome: Outcome) -> None:
    while True:
        outcome.resident_bytes.append(service.resident_bytes)
        await asyncio.sleep(1)


def row_of(load: float, outcome: Outcome) -> list[str]:
    """A line of the table."""
    count = outcome.statuses
    cells = [f"{100 * load:.0f} %"]
    for lane in ("query", "bulk"):
        taken = 1000 * np.array(outcome.seconds[lane] or [np.nan])
        refused = count[lane, 429]
        answered = count[lane, 200]
        lost = sum(number for (of, status), number in count.items() if of == lane and status not in {200, 429})
        cells += [
            f"{figure(float(np.percentile(taken, 50)))}, {figure(float(np.percentile(taken, 99)))}",
            f"{answered}, {refused}, {lost}",
        ]
    later = outcome.let_in_later
    memory = [each / 2**20 for each in outcome.resident_bytes]
    tenth = max(1, len(memory) // 10)
    return [
        *cells,
        f"{later[True]} of {later.total()}" if later else "-",
        str(outcome.wrong),
        f"{statistics.median(memory[:tenth]):.0f} to {statistics.median(memory[-tenth:]):.0f}, most {max(memory):.0f}",
    ]


HEAD = (
    "load",
    "query p50, p99 ms",
    "queries answered, 429, lost",
    "bulk p50, p99 ms",
    "bulk answered, 429, lost",
    "let in after Retry-After",
    "wrong vectors",
    "MiB, first tenth to last",
)


async def overhead(service: ServiceProcess, encoder: Encoder, query: Request, bulk: list[Request]) -> float:
    """Print what HTTP costs; the service's tokens a second on bulk."""
    cutter = TextCutter(encoder.folder / TOKENIZER, source_texts()[1])
    texts = cutter.cut("A", short_lengths(BULK_TEXTS * BULK_REQUESTS)).texts
    tokens = sum(request.tokens for request in bulk)
    connections = Connections(service.port)
    bare, served = [], []
    for _ in range(ROUNDS):
        bare.append(bare_rate(encoder, texts, tokens))
        served.append(await service_rate(connections, bulk))
    alone, over_http = bare_query_milliseconds(encoder), await query_milliseconds(connections, query)
    connections.close()
    rows = [
        ["bare encoder", figure(statistics.median(bare)), *_percentiles(alone)],
        ["service", figure(statistics.median(served)), *_percentiles(over_http)],
    ]
    print(table(("", "bulk tokens/s", "query p50 ms", "p99 ms"), rows), flush=True)
    print(
        f"Bulk through the service: {100 * statistics.median(served) / statistics.median(bare):.1f} % of the encoder."
    )
    print(f"A query takes {np.percentile(over_http, 50) - np.percentile(alone, 50):.2f} ms longer (p50).\n", flush=True)
    return statistics.median(served)


def _percentiles(taken: list[float]) -> list[str]:
    return [f"{np.percentile(taken, each):.2f}" for each in (50, 99)]


async def measure(options: argparse.Namespace) -> None:
    """Measure, print Markdown, write JSON."""
    encoder = Encoder.load(options.model)
    queries, bulk = make_requests(encoder)
    results: dict[str, Any] = {"loads": {}}
    with ServiceProcess(options.model, "--log-level", "info", *options.serve.split()) as service:
        capacity = options.capacity or await overhead(service, encoder, queries[0], bulk)
        results["tokens_per_second"] = capacity
        rows = []
        for load in options.loads:
            outcome = await open_loop(service, arrivals(load * capacity, options.seconds, queries, bulk))
            rows.append(row_of(load, outcome))
            print(f"{load}: Retry-After {dict(Counter(outcome.retry_after))}", flush=True)
            results["loads"][load] = {"row": rows[-1], "resident_bytes": outcome.resident_bytes}
    print(f"\nOpen loop, {options.seconds:.0f} s each, 100 % is {figure(capacity)} tokens/s,", end=" ")
    print(f"Python {platform.python_version()}, {datetime.now(UTC):%Y-%m-%d}\n")
    print(table(HEAD, rows))
    if options.json:
        options.json.write_text(json.dumps(results), encoding="utf-8")


def main() -> None:
    """Read the options and measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path, help="a model folder")
    parser.add_argument("--seconds", type=float, default=60, help="of each load")
    parser.add_argument("--loads", type=lambda text: [float(each) for each in text.split(",")], default=[0.5, 0.8, 1.2])
    parser.add_argument("--capacity", type=float, help="tokens/s that are 100 %%; otherwise measured first")
    parser.add_argument("--serve", default="", help="more options of embed-plugin serve")
    parser.add_argument("--json", type=Path, help="write what was found, memory by the second included")
    uvloop.run(measure(parser.parse_args()))


if __name__ == "__main__":
    main()

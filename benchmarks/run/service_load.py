"""Measure the service under load: the cost of HTTP, and latency and refusals at 50, 80 and 120 % of its capacity.

Run:  .venv/bin/python benchmarks/run/service_load.py models/minilm-int8
      .venv/bin/python benchmarks/run/service_load.py models/minilm-int8 --loads 1.2 --seconds 600

Open loop: requests are sent at times drawn beforehand (Poisson), whether or not earlier ones were answered, and their
latency counts from the time they should have been sent. One token in twenty is of a single query of 12 tokens, the
others of bulk requests of 64 texts of 5 to 93 tokens; 100 % is what the service does with that mix in a closed loop.
Every vector that comes back is compared with the bare encoder's. A request that gets 429 is sent again after the
seconds that Retry-After names, and it is counted whether it is let in then. Load generator and service share the
machine.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import platform
import statistics
import time
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import uvloop

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Encoder
from embed_plugin.model.folder import TOKENIZER
from lib.http_connections import Connections, post
from lib.load_table import HEAD, row_of
from lib.open_loop import CLOSED_LOOP_REQUESTS, Request, arrivals, open_loop
from lib.service_process import ServiceProcess
from lib.tables import figure, table
from lib.workloads import QUERY, bulk_parts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


FLOATS = {"Accept": "application/octet-stream"}
MIXED_CLIENTS, MIXED_SECONDS = 64, 10
"""For the capacity with queries and bulk mixed: so many at once, and about so long."""

ROUNDS = 5
QUERIES = 1000


def make_requests(encoder: Encoder) -> tuple[list[Request], list[Request]]:
    """Queries, and bulk requests."""
    bulk = [_request("bulk", part, encoder) for part in bulk_parts(encoder.folder / TOKENIZER)]
    return [_request("query", [QUERY], encoder)], bulk


def _request(kind: str, texts: list[str], encoder: Encoder) -> Request:
    role = "query" if kind == "query" else "document"
    vectors = (encoder.encode_queries if kind == "query" else encoder.encode_documents)(texts)
    tokens = int(encoder.count_tokens(texts, role=role).sum())  # type: ignore[arg-type]
    return Request(kind, tokens, post("/embed", {"texts": texts, "role": role}, FLOATS), vectors.tobytes())


def bare_rate(encoder: Encoder, texts: list[str], tokens: int) -> float:
    """Tokens a second of the encoder alone."""
    started = time.perf_counter()
    encoder.encode_documents(texts)
    return tokens / (time.perf_counter() - started)


async def service_rate(connections: Connections, requests: Sequence[Request], *, clients: int) -> float:
    """Tokens a second of the service in a closed loop: each client waits for its response before the next request."""
    left: Iterator[Request] = iter(requests)

    async def client() -> None:
        for request in left:
            answer = await connections.ask(request.raw)
            assert answer.body == request.expected, answer.status  # noqa: S101 - a benchmark of wrong vectors is none

    started = time.perf_counter()
    await asyncio.gather(*(client() for _ in range(clients)))
    return sum(request.tokens for request in requests) / (time.perf_counter() - started)


async def capacity_of(
    service: ServiceProcess, queries: Sequence[Request], bulk: Sequence[Request], rate: float
) -> float:
    """Tokens a second of the service with the loads' mix: a token of a short query costs more than one of bulk."""
    connections = Connections(service.port)
    mixed = [request for _, request in arrivals(rate, MIXED_SECONDS, queries, bulk)]
    found = await service_rate(connections, mixed, clients=MIXED_CLIENTS)
    connections.close()
    return found


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


async def overhead(service: ServiceProcess, encoder: Encoder, query: Request, bulk: list[Request]) -> float:
    """Print what HTTP costs; the service's tokens a second on bulk."""
    texts = [text for part in bulk_parts(encoder.folder / TOKENIZER) for text in part]
    tokens = sum(request.tokens for request in bulk)
    connections = Connections(service.port)
    bare, served = [], []
    for _ in range(ROUNDS):
        bare.append(bare_rate(encoder, texts, tokens))
        served.append(await service_rate(connections, bulk, clients=CLOSED_LOOP_REQUESTS))
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
        capacity = options.capacity
        if capacity is None:
            bulk_rate = await overhead(service, encoder, queries[0], bulk)
            capacity = await capacity_of(service, queries, bulk, bulk_rate)
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

"""Servers that speak OpenAI's API, side by side: one query at a time, and bulk.

Run:  .venv/bin/python benchmarks/run/service_peers.py ours=8000=MODEL peer=8301=MODEL --tokenizer models/minilm-int8

The servers are started by hand, on this machine, and asked in turns. Each request is JSON and each answer is
`encoding_format: float`, which all of them have. Bulk is workload A (texts of 5 to 93 tokens) in requests of 64 texts,
three under way at once; queries have 12 tokens, one after the other on a kept connection.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import uvloop

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.model.folder import TOKENIZER
from lib.http_connections import Connections, post
from lib.open_loop import CLOSED_LOOP_REQUESTS
from lib.tables import figure, rate, spread, table
from lib.workloads import QUERY, bulk_parts

ROUNDS = 5
QUERIES = 200
PATH = "/v1/embeddings"


@dataclass
class Server:
    """A server, and what was measured of it."""

    name: str
    port: int
    model: str
    milliseconds: list[float] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    @classmethod
    def of(cls, text: str) -> Server:
        """``NAME=PORT=MODEL``."""
        name, port, model = text.split("=", 2)
        return cls(name, int(port), model)

    def request(self, texts: list[str]) -> bytes:
        """Texts, as OpenAI's API takes them."""
        return post(PATH, {"model": self.model, "input": texts, "encoding_format": "float"})

    async def first_vector(self, text: str) -> list[float]:
        """One vector; fails when the server cannot give it."""
        connections = Connections(self.port)
        answer = await connections.ask(self.request([text]))
        connections.close()
        if answer.status != 200:  # noqa: PLR2004 - HTTP's
            raise SystemExit(f"{self.name} answers {answer.status}: {answer.body[:300]!r}")
        return list(json.loads(answer.body)["data"][0]["embedding"])

    async def measure(self, parts: list[list[str]]) -> None:
        """A round: queries, then bulk."""
        connections = Connections(self.port)
        query = self.request([QUERY])
        for _ in range(QUERIES):
            started = time.perf_counter()
            await connections.ask(query)
            self.milliseconds.append(1000 * (time.perf_counter() - started))
            await asyncio.sleep(0.002)
        left = iter([self.request(part) for part in parts])

        async def client() -> None:
            for request in left:
                answer = await connections.ask(request)
                if answer.status != 200:  # noqa: PLR2004 - HTTP's
                    raise SystemExit(f"{self.name} answers {answer.status}: {answer.body[:300]!r}")

        started = time.perf_counter()
        await asyncio.gather(*(client() for _ in range(CLOSED_LOOP_REQUESTS)))
        self.seconds.append(time.perf_counter() - started)
        connections.close()


async def compare(servers: list[Server], tokenizer: Path) -> None:
    """Ask in turns, print a Markdown table."""
    parts = bulk_parts(tokenizer / TOKENIZER)
    texts = [text for part in parts for text in part]
    vectors = [np.array(await server.first_vector(texts[0])) for server in servers]
    for number in range(ROUNDS):
        for server in servers[number % 2 :] + servers[: number % 2]:
            await server.measure(parts)
    rows = [
        [
            server.name,
            figure(rate(len(texts), server.seconds)),
            spread(len(texts), server.seconds),
            f"{statistics.median(server.milliseconds):.1f}",
            f"{np.percentile(server.milliseconds, 99):.1f}",
            f"{vector @ vectors[0]:.4f}",
        ]
        for server, vector in zip(servers, vectors, strict=True)
    ]
    print(table(("", "bulk texts/s", "spread", "query p50 ms", "p99 ms", "cosine to the first"), rows))


def main() -> None:
    """Read the options and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("servers", nargs="+", type=Server.of, metavar="NAME=PORT=MODEL")
    parser.add_argument("--tokenizer", type=Path, required=True, help="the model folder whose tokenizer cuts the texts")
    options = parser.parse_args()
    uvloop.run(compare(options.servers, options.tokenizer))


if __name__ == "__main__":
    main()

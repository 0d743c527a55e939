"""Measure the service under abuse: the latency of /health/live, its memory, and the requests of others.

Run:  .venv/bin/python benchmarks/run/service_abuse.py models/minilm-int8
      .venv/bin/python benchmarks/run/service_abuse.py models/minilm-int8 --seconds 60 --only trailers --only idle

Each abuse runs from two processes for so many seconds, from the same address as those who ask for /health/live and for
vectors, each on a new connection. Exit code 1: an answer of /health/live took more than a second, memory grew by more
than the bound, or a request of others had no answer of 200. Load and service share the machine.
"""

from __future__ import annotations

import argparse
import http.client
import multiprocessing
import os
import statistics
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import _path  # noqa: F401 - puts benchmarks/ on the path
from lib.abuse import ABUSES, BODY, KEY
from lib.service_process import ServiceProcess
from lib.tables import figure, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

MOST_LIVE_SECONDS = 1.0
MOST_GROWTH_BYTES = 384 * 2**20
"""64 MiB of bodies, twice while one is parsed; 64 MiB of responses that nobody reads, and those that are being made;
and what a thousand connections hold."""

ATTACKERS = 2
PAUSE_SECONDS = 0.02


@contextmanager
def attacked(abuse: Callable[[int], None], port: int) -> Iterator[None]:
    """Run an abuse from processes of its own."""
    attackers = [multiprocessing.Process(target=abuse, args=(port,), daemon=True) for _ in range(ATTACKERS)]
    for each in attackers:
        each.start()
    try:
        yield
    finally:
        for each in attackers:
            each.kill()
            each.join()


def ask(port: int, method: str, path: str, body: bytes | None = None) -> int:
    """Ask on a connection of its own; the status, 0 without an answer."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json", "Connection": "close"}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        answer.read()
    except (OSError, http.client.HTTPException):
        return 0
    else:
        return answer.status
    finally:
        connection.close()


def measure(service: ServiceProcess, abuse: Callable[[int], None], seconds: float) -> tuple[list[float], int, int, int]:
    """The latencies of /health/live, the most memory, and of all requests of others, those without vectors."""
    latencies: list[float] = []
    outcomes: list[int] = []
    memory = service.resident_bytes
    end = time.monotonic() + seconds

    def embed() -> None:
        while time.monotonic() < end:
            outcomes.append(ask(service.port, "POST", "/embed", BODY))
            time.sleep(PAUSE_SECONDS)

    with attacked(abuse, service.port):
        other = threading.Thread(target=embed)
        other.start()
        while time.monotonic() < end:
            start = time.perf_counter()
            is_alive = ask(service.port, "GET", "/health/live") == http.client.OK
            latencies.append(time.perf_counter() - start if is_alive else float("inf"))
            memory = max(memory, service.resident_bytes)
            time.sleep(PAUSE_SECONDS)
        other.join()
    return latencies, memory, len(outcomes), sum(status != http.client.OK for status in outcomes)


def main() -> None:
    """Run each abuse, print a table, and fail beyond the bounds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--seconds", type=float, default=25.0)
    parser.add_argument("--only", choices=ABUSES, action="append")
    options = parser.parse_args()
    os.environ["EMBED_PLUGIN_KEYS"] = KEY
    rows, is_bad = [], False
    with ServiceProcess(options.model) as service:
        before = service.resident_bytes
        for name in options.only or ABUSES:
            latencies, memory, asked, lost = measure(service, ABUSES[name], options.seconds)
            growth = memory - before
            is_bad |= max(latencies) > MOST_LIVE_SECONDS or growth > MOST_GROWTH_BYTES or lost > 0
            rows.append(
                [
                    name.replace("_", " "),
                    figure(1000 * statistics.median(latencies)),
                    figure(1000 * max(latencies)),
                    figure(growth / 2**20),
                    str(asked),
                    str(lost),
                ]
            )
    print(table(["abuse", "live ms, median", "most", "memory grew MiB", "others asked", "lost"], rows))
    sys.exit(int(is_bad))


if __name__ == "__main__":
    main()

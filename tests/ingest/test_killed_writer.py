"""A process that writes is killed with SIGKILL, again and again: what it had reported as stored is there."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.ingest import open_sink
from embed_plugin.ingest.ids import record_key
from embed_plugin.testing import FakeEncoder
from support.processes import killed_on_failure

if TYPE_CHECKING:
    from pathlib import Path

KILLS = 4
WRITER = """
import sys
from embed_plugin.ingest import Chunk, open_sink
from embed_plugin.testing import FakeEncoder

target, start = sys.argv[1], int(sys.argv[2])
encoder = FakeEncoder()
sink = open_sink(target, "c")
sink.prepare(encoder)
print("ready", flush=True)
while True:
    texts = [f"text {number}" for number in range(start, start + 10)]
    sink.upsert([Chunk(text, 0, 1, text, {}, "m", "r", 3) for text in texts], encoder.encode_documents(texts))
    start += 10
    print(start, flush=True)
"""


def test_what_was_stored_outlives_the_process(tmp_path: Path) -> None:
    target = str(tmp_path / "local")
    moments, stored = np.random.default_rng(7), 0
    for _ in range(KILLS):
        command = [sys.executable, "-c", WRITER, target, str(stored)]
        with killed_on_failure(subprocess.Popen(command, stdout=subprocess.PIPE, text=True)) as writer:
            assert writer.stdout
            assert writer.stdout.readline() == "ready\n"
            lines = [writer.stdout.readline() for _ in range(moments.integers(1, 5))]
            time.sleep(moments.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
            lines += [line for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        stored = int(lines[-1])
        with open_sink(target, "c") as sink:
            assert sink.check(FakeEncoder())
            ids = [sink.id_of(record_key("", f"text {number}"), 0) for number in range(stored)]
            assert len(sink.lookup(ids)) == stored

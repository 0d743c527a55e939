"""Resources of an encoder: its threads, and its memory over many shapes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads Linux's /proc")

THREADS = """
import os, sys
from embed_plugin import Encoder, EncoderSettings
threads = lambda: len(os.listdir("/proc/self/task"))
before = threads()
encoder = Encoder.load(sys.argv[1], EncoderSettings(workers=2))
loaded = threads()
encoder.encode_documents(["the cat"])
one_text = threads()
encoder.encode_documents(["the cat " * n for n in range(200)])
print(loaded - before, one_text - before, threads() - before)
"""

MEMORY = """
import sys
from embed_plugin import Encoder
encoder = Encoder.load(sys.argv[1])
def resident():
    return int(open("/proc/self/statm").read().split()[1]) * 4096
texts = ["cat " * n for n in range(511)]
sizes = []
for _ in range(30):
    encoder.encode_documents(texts)
    sizes.append(resident())
print(min(sizes[20:]) - max(sizes[:10]))  # from round to round it swings by some megabytes, up and down
"""


def run(script: str, folder: Path) -> list[int]:
    printed = subprocess.run([sys.executable, "-c", script, str(folder)], capture_output=True, check=True).stdout
    return [int(word) for word in printed.split()]


def test_onnxruntime_starts_no_thread_and_the_workers_are_as_many_as_asked(tiny_model: Callable[..., Path]) -> None:
    loaded, one_text, many_texts = run(THREADS, tiny_model())
    tokenizer_threads = len(os.sched_getaffinity(0))  # the tokenizer's own, started with its first text
    assert loaded == 0
    assert one_text <= 1 + tokenizer_threads
    assert many_texts <= 2 + tokenizer_threads


def test_511_shapes_again_and_again_take_no_more_memory(tiny_model: Callable[..., Path]) -> None:
    assert run(MEMORY, tiny_model())[0] < 5_000_000

"""An encoder works in programs in which no thread can be started."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

BEGIN = """
import asyncio, atexit, sys, threading, time
from embed_plugin import Encoder
encoder = Encoder.load(sys.argv[1])
loop = asyncio.new_event_loop()
texts = ["the cat", "a dog ran", "open file", "the cat sat"] * 200
def call():
    print("documents", encoder.encode_documents(texts).shape)
    print("stream", sum(1 for _ in encoder.stream_documents(texts)))
    print("asyncio", loop.run_until_complete(encoder.aencode_documents(texts)).shape)
    print("waiting", encoder.runtime.queued_tokens.small + encoder.runtime.queued_tokens.large)
def call_when_main_has_ended():
    threading.main_thread().join()
    time.sleep(0.2)
    call()
"""
ENDS = {
    "a thread that outlives the main one": "threading.Thread(target=call_when_main_has_ended).start()",
    "atexit": "atexit.register(call)",
    "atexit, after a first call": "encoder.encode_documents(texts)\natexit.register(call)",
    "a limit on threads": "threading.stack_size(1 << 47)\ncall()",
    "a limit on threads, reached later": """
encoder.encode_documents(texts[:1]), encoder.encode_documents(texts)
threading.stack_size(1 << 47)  # more than there are addresses
call()
""",
}


@pytest.mark.parametrize("end", ENDS)
def test_without_new_threads_the_callers_thread_computes(tiny_model: Callable[..., Path], end: str) -> None:
    command = [sys.executable, "-c", BEGIN + ENDS[end], str(tiny_model())]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["documents (800, 32)", "stream 800", "asyncio (800, 32)", "waiting 0"], (
        done.stderr
    )

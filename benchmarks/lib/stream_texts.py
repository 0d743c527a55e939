"""The process that `stream_memory.py` watches: an encoder, a stream of texts, and nothing else.

Run by it in benchmarks/:  python -m lib.stream_texts MODEL_FOLDER COUNT WORDS      # WORDS: a file to draw words from
"""

from __future__ import annotations

import json
import os
import random
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from contenders.child import peak_resident_bytes
from embed_plugin import Encoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

SAMPLES = 200
WORDS_OF_A_TEXT = (5, 60)


def random_texts(count: int, words: Sequence[str]) -> Iterator[str]:
    """Texts of random words, 5 to 60 each, made one by one and never held."""
    rng = random.Random(0)  # noqa: S311 - seeded texts, no secret
    for _ in range(count):
        yield " ".join(rng.choices(words, k=rng.randint(*WORDS_OF_A_TEXT)))


def stream(folder: Path, count: int, words: Sequence[str]) -> dict[str, Any]:
    """Encode in this process, and look at its memory on the way."""
    encoder = Encoder.load(folder)
    samples, started = [_sample(0, 0.0)], time.perf_counter()
    every = max(1, count // SAMPLES)
    for done, _ in enumerate(encoder.stream_documents(random_texts(count, words)), 1):
        if done % every == 0:
            samples.append(_sample(done, time.perf_counter() - started))
    return {"texts": count, "samples": samples, "peak_bytes": peak_resident_bytes()}


def _sample(texts: int, seconds: float) -> dict[str, float]:
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    return {"texts": texts, "seconds": seconds, "resident_bytes": pages * os.sysconf("SC_PAGE_SIZE")}


if __name__ == "__main__":
    drawn_from = Path(sys.argv[3]).read_text(encoding="utf-8").split()
    print(json.dumps(stream(Path(sys.argv[1]), int(sys.argv[2]), drawn_from)))

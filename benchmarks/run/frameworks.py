"""Chunks through LangChain's and LlamaIndex's own embedding classes, this project's beside the others.

    make bench-frameworks
    make bench-frameworks BENCH="--chunks 500 --contenders langchain-own,langchain-fastembed"

The texts are the standard library's documentation. Every class has a process of its own, a model from a local folder
and its default batch size; all encode the same chunks in turns, by the call that a vector store or an index makes
(`embed_documents`, `get_text_embedding_batch`). The table has the median of the rounds.
"""

from __future__ import annotations

import argparse
import json
import signal
import statistics
import sys
import tempfile
from pathlib import Path

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from contenders import Contender
from contenders.lineup import Lineup, say
from contenders.process import Place
from embed_plugin.cpu.count import available_workers
from lib.checkpoints import MINILM, make_checkpoint
from lib.workloads import ROOT, standard_library_texts

_LANGCHAIN, _LLAMA_INDEX = "langchain_classes", "llama_index_classes"
_EVERY = (
    Contender("langchain-own", "LangChain: EmbedPluginEmbeddings, INT8", _LANGCHAIN, "embed-plugin"),
    Contender("langchain-torch", "LangChain: HuggingFaceEmbeddings, torch fp32", _LANGCHAIN, "torch"),
    Contender("langchain-onnx", "LangChain: HuggingFaceEmbeddings, ONNX fp32", _LANGCHAIN, "onnx"),
    Contender("langchain-st-openvino", "LangChain: HuggingFaceEmbeddings, OpenVINO", _LANGCHAIN, "openvino"),
    Contender("langchain-fastembed", "LangChain: FastEmbedEmbeddings, ONNX fp32", _LANGCHAIN, "fastembed"),
    Contender("langchain-openvino", "LangChain: OpenVINOEmbeddings", _LANGCHAIN, "openvino-class"),
    Contender("llama-own", "LlamaIndex: EmbedPluginEmbedding, INT8", _LLAMA_INDEX, "embed-plugin"),
    Contender("llama-torch", "LlamaIndex: HuggingFaceEmbedding, torch fp32", _LLAMA_INDEX, "torch"),
    Contender("llama-onnx", "LlamaIndex: HuggingFaceEmbedding, ONNX fp32", _LLAMA_INDEX, "onnx"),
    Contender("llama-fastembed", "LlamaIndex: FastEmbedEmbedding, ONNX fp32", _LLAMA_INDEX, "fastembed"),
    Contender("llama-optimum", "LlamaIndex: OptimumEmbedding, ONNX fp32", _LLAMA_INDEX, "optimum-class"),
    Contender("llama-openvino", "LlamaIndex: OpenVINOEmbedding", _LLAMA_INDEX, "openvino-class"),
)
CLASSES = {contender.name: contender for contender in _EVERY}


def measure(lineup: Lineup, texts: str, rounds: int, scratch: Path) -> dict[str, list[float]]:
    """Seconds of each round by contender, and each one's vectors in a file of the scratch folder."""
    seconds: dict[str, list[float]] = {contender.name: [] for contender in lineup.standing()}
    for turn in range(rounds):
        for contender in lineup.standing(turn):
            answer = lineup.ask(contender, "encode", {"texts": texts, "save": str(scratch / f"{contender.name}.npy")})
            if answer:
                seconds[contender.name].append(answer["seconds"])
                say(f"  round {turn + 1}: {contender.name} {answer['seconds']:.1f} s")
    return seconds


def table(lineup: Lineup, seconds: dict[str, list[float]], chunks: int, scratch: Path) -> str:
    """A row for each contender, and the reason for each one that failed."""
    exact = next((scratch / f"{name}.npy" for name in ("langchain-torch", "llama-torch") if seconds.get(name)), None)
    lines = ["| class | chunks/s | slowest, fastest round | cosine to torch: mean, least |", "|---|---|---|---|"]
    for contender in lineup.standing():
        rounds = seconds[contender.name]
        rates = [chunks / each for each in (statistics.median(rounds), max(rounds), min(rounds))]
        cosine = _cosine(scratch / f"{contender.name}.npy", exact) if exact else "-"
        lines.append(f"| {contender.label} | {rates[0]:.0f} | {rates[1]:.0f}, {rates[2]:.0f} | {cosine} |")
    lines += [f"{CLASSES[name].label}: failed: {reason}" for name, reason in lineup.failed.items()]
    return "\n".join(lines)


def _cosine(path: Path, exact: Path) -> str:
    cosines = np.sum(np.load(path) * np.load(exact), axis=1)
    return f"{cosines.mean():.4f}, {cosines.min():.4f}"


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--chunks", type=int, default=5000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--contenders", default=",".join(CLASSES), help=f"some of {', '.join(CLASSES)}")
    parser.add_argument("--peers", default=str(ROOT / ".venv-peers" / "bin" / "python"), help="the peers' Python")
    parser.add_argument("--work", type=Path, default=ROOT / "models" / "benchmarks", help="where exports are kept")
    parser.add_argument("--prepare-only", action="store_true", help="make the exports and measure nothing")
    options = parser.parse_args()
    if unknown := set(options.contenders.split(",")) - set(CLASSES):
        parser.error(f"{', '.join(sorted(unknown))}: expected some of {', '.join(CLASSES)}")
    return options


def main() -> None:
    """Prepare, load, take turns, print the table."""
    options = parse()
    # Contenders that wait are stopped, and would stay so for ever: a terminated run ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    chunks = standard_library_texts(options.chunks)
    model = make_checkpoint(MINILM, options.work)
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        texts = scratch / "chunks.json"
        texts.write_text(json.dumps(chunks), encoding="utf-8")
        threads = available_workers()
        place = Place(options.peers, model.folder, model.folder.parent, scratch, threads)
        wanted = [CLASSES[name] for name in options.contenders.split(",")]
        with Lineup(wanted, lambda _: place) as lineup:
            lineup.prepare(str(texts))
            if not options.prepare_only:
                lineup.load(chunks[0])
                seconds = measure(lineup, str(texts), options.rounds, scratch)
                print(f"{len(chunks)} chunks, {threads} threads, {options.rounds} rounds\n")
                print(table(lineup, seconds, len(chunks), scratch))
            for name in lineup.failed:
                say((scratch / f"{name}-{model.folder.parent.name}.log").read_text(encoding="utf-8")[-2000:])


if __name__ == "__main__":
    main()

"""Every family that is written natively against sentence-transformers, on small checkpoints with random weights.

Run:  .venv/bin/python benchmarks/run/families.py [NAME...] [--json FILE]
      .venv/bin/python benchmarks/run/families.py --speed [MODEL_TYPE...] [--lengths 16,128,512] [--json FILE]

The checkpoints and sentence-transformers' vectors are those of the tests (`make references`). Random weights show that
a graph is right; what INT8 costs with trained weights is in each export's own report.

With --speed each family has MiniLM's shape (6 layers, 384 wide) and runs beside sentence-transformers' torch fp32, ONNX
(fp32, and its dynamic INT8) and OpenVINO, in turns and each tuned: texts a second, and the peak memory of a process. It
needs .venv-peers, which  make .venv-peers/ready  sets up; families that its transformers does not know are left out.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import EmbedPluginError, Encoder, EncoderSettings
from embed_plugin.cpu.count import available_workers
from embed_plugin.export import ExportSettings, export
from lib.checkpoints import MAX_TOKENS
from lib.family_shapes import FAMILY_SHAPES
from lib.silicon import cpu_name
from lib.tables import table
from lib.workloads import RESULTS, ROOT, source_texts
from sections.family_speed import SPEED_CONTENDERS, measure_families, speed_report
from sections.shapes import ShapeRun

TESTS = Path(__file__).resolve().parents[2] / "tests"
sys.path.insert(0, str(TESTS))

from export.architectures.test_references import checkpoint_of  # noqa: E402 - after the path
from export.references.families import FAMILIES  # noqa: E402
from export.references.texts import TEXTS  # noqa: E402

HEAD = ("checkpoint", "model_type", "fp32 to sentence-transformers, least", "INT8 to fp32, mean", "least", "same bits")


@dataclass(frozen=True)
class Agreement:
    """Cosines of one family's vectors over the texts.

    Attributes:
        family: The checkpoint's name.
        model_type: Its architecture.
        fp32_least: To sentence-transformers.
        int8_mean: To fp32.
        int8_least: To fp32.
        has_exact_kernels: The INT8 vectors have the same bits on every CPU.
    """

    family: str
    model_type: str
    fp32_least: float
    int8_mean: float
    int8_least: float
    has_exact_kernels: bool


def measure(name: str, scratch: Path) -> Agreement:
    """Export one family in both precisions, and compare."""
    checkpoint = checkpoint_of(name, scratch / name)
    settings = EncoderSettings(on_long="truncate")
    vectors = {}
    for precision in ("fp32", "int8"):
        folder = scratch / f"{name}-{precision}"
        spec = export(str(checkpoint), folder, ExportSettings(precision=precision, exporter="native", min_cosine=0.5))
        vectors[precision] = Encoder.load(folder, settings).encode_documents(TEXTS)
    exact = (vectors["fp32"] * np.load(checkpoint / "vectors.npy")).sum(axis=1)
    rounded = (vectors["fp32"] * vectors["int8"]).sum(axis=1)
    return Agreement(
        name, spec.architecture, float(exact.min()), float(rounded.mean()), float(rounded.min()), spec.checked_on.exact
    )


def speeds(options: argparse.Namespace) -> dict[str, object]:
    """Measure speed and memory, and print them."""
    origin, texts = source_texts()
    logs = RESULTS / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    threads, pythons = available_workers(), (sys.executable, options.peers)
    lengths = sorted({int(each) for each in options.lengths.split(",")})
    run = ShapeRun(SPEED_CONTENDERS, pythons, texts, lengths, options.tokens, options.rounds, threads, logs)
    found = measure_families(run, options.names or list(FAMILY_SHAPES), options.work)
    print(f"{cpu_name()}; {threads} threads for everyone; medians of {options.rounds} rounds in turns; {origin}.\n")
    print(speed_report(found))
    return found


def agreements(names: list[str]) -> list[dict[str, object]]:
    """Measure cosines, and print them."""
    with tempfile.TemporaryDirectory() as scratch:
        found = [measure(name, Path(scratch)) for name in names]
    cells = [
        [
            each.family,
            each.model_type,
            f"{each.fp32_least:.7f}",
            f"{each.int8_mean:.4f}",
            f"{each.int8_least:.4f}",
            "yes" if each.has_exact_kernels else "no",
        ]
        for each in found
    ]
    print(table(HEAD, cells))
    return [asdict(each) for each in found]


def parse() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of tests/export/references, or model types; else all")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    parser.add_argument("--speed", action="store_true", help="texts a second and memory, not cosines")
    parser.add_argument("--lengths", default="128", help="tokens of a text, with commas between them")
    parser.add_argument("--tokens", type=int, default=8192, help="tokens in all of each length")
    parser.add_argument("--rounds", type=int, default=5, help="times that everyone encodes the texts of a length")
    parser.add_argument("--peers", default=str(ROOT / ".venv-peers" / "bin" / "python"), help="the peers' Python")
    parser.add_argument("--work", type=Path, default=ROOT / "models", help="where models are made, and deleted again")
    options = parser.parse_args()
    known = set(FAMILY_SHAPES if options.speed else FAMILIES)
    if unknown := set(options.names) - known:
        parser.error(f"no family {', '.join(sorted(unknown))}; expected some of {', '.join(sorted(known))}")
    if not all(each.isdigit() and 2 < int(each) <= MAX_TOKENS for each in options.lengths.split(",")):  # noqa: PLR2004
        parser.error(f"--lengths {options.lengths}: expected numbers from 3 to {MAX_TOKENS} with commas between them")
    if options.rounds < 1 or options.tokens < 1:
        parser.error(f"--rounds {options.rounds}, --tokens {options.tokens}: expected 1 or more")
    if options.speed and not Path(options.peers).exists():
        parser.error(f"--peers {options.peers}: not there; run  make .venv-peers/ready  first")
    return options


def main() -> None:
    """Measure the named families, or all."""
    options = parse()
    # Contenders that wait are stopped, and would stay so for ever: a terminated run ends them.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    found = speeds(options) if options.speed else agreements(options.names or sorted(FAMILIES))
    if options.json:
        options.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except EmbedPluginError as error:
        sys.exit(str(error))

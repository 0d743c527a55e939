"""Every family that is written natively against sentence-transformers, on small checkpoints with random weights.

Run:  .venv/bin/python benchmarks/run/families.py [NAME...] [--json FILE]

The checkpoints and sentence-transformers' vectors are those of the tests (`make references`). Random weights show that
a graph is right; what INT8 costs with trained weights is in each export's own report.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import EmbedPluginError, Encoder, EncoderSettings
from embed_plugin.export import ExportSettings, export
from lib.tables import table

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


def main() -> None:
    """Measure the named families, or all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="of tests/export/references; all without one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures as JSON too")
    options = parser.parse_args()
    if unknown := set(options.names) - set(FAMILIES):
        parser.error(f"no family {', '.join(sorted(unknown))}; expected some of {', '.join(sorted(FAMILIES))}")
    with tempfile.TemporaryDirectory() as scratch:
        found = [measure(name, Path(scratch)) for name in options.names or sorted(FAMILIES)]
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
    if options.json:
        options.json.write_text(json.dumps([asdict(each) for each in found], indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    try:
        main()
    except EmbedPluginError as error:
        sys.exit(str(error))

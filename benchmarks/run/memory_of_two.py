"""Peak memory of one process with an encoder and a reranker, both of MiniLM's shape in INT8, while both work.

Run:  .venv/bin/python benchmarks/run/memory_of_two.py [--most-mib 200]

The encoder is all-MiniLM-L6-v2; the reranker has random weights, in ms-marco-MiniLM-L6's shape. They encode and rank
500 texts, cut at 512 tokens. Exits with 1 if the peak is above --most-mib.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin.export import ExportSettings, export
from lib.checkpoints import make_checkpoint
from lib.reranker_checkpoint import make_reranker
from lib.workloads import source_texts

TEXTS = 500

WORK = """
import sys
from pathlib import Path

from embed_plugin import Encoder, Reranker

texts = Path(sys.argv[3]).read_text(encoding="utf-8").split("\\0")
encoder, reranker = Encoder.load(sys.argv[1]), Reranker.load(sys.argv[2])
encoder.encode_documents(texts)
reranker.rank(texts[0][:200], texts)
print(next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM")))
"""


def main() -> int:
    """Make both models, run them in a process of their own, and print its peak."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--most-mib", type=float, default=200)
    most = parser.parse_args().most_mib
    with tempfile.TemporaryDirectory() as name:
        work = Path(name)
        export(str(make_checkpoint("minilm", work).folder), work / "encoder", ExportSettings(max_tokens=512))
        make_reranker(work / "checkpoint")
        export(str(work / "checkpoint"), work / "reranker", ExportSettings(min_cosine=0.5))
        (work / "texts").write_text("\0".join(source_texts()[1][:TEXTS]), encoding="utf-8")
        arguments = [str(work / part) for part in ("encoder", "reranker", "texts")]
        command = [sys.executable, "-c", WORK, *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=True)  # noqa: S603 - our own
    peak = int(done.stdout.split()[1]) / 1024
    print(f"peak of an encoder and a reranker of MiniLM's shape, both INT8, {TEXTS} texts: {peak:.0f} MiB")
    return int(peak > most)


if __name__ == "__main__":
    sys.exit(main())

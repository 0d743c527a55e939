"""The sha256 of a model's vectors by each instruction set of the kernels: one line a set, all with the same hash.

Run:  .venv/bin/python benchmarks/run/same_bits.py models/minilm-int8

The texts are of many lengths, from one token to the model's limit, and of many scripts; each is encoded alone and all
together. A set that this CPU does not have is "not run". Exits with 1 if hashes differ.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path

import _path  # noqa: F401 - puts benchmarks/ on the path
from embed_plugin import EmbedPluginError, Encoder
from embed_plugin.cpu import detect_class
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE
from embed_plugin.encode.session import ONNXRUNTIME_VERSION
from embed_plugin.kernels import INSTRUCTION_SETS, here
from lib.tables import table
from lib.workloads import standard_library_texts

SCRIPTS = (
    "A text in English, with a number: 1,234.56.",
    "Текст на русском языке о погоде и о море.",
    "一段关于天气和大海的中文文字。",
    "نص بالعربية عن الطقس والبحر",
    "मौसम और समुद्र के बारे में एक पाठ",
    "Κείμενο για τον καιρό και τη θάλασσα",
    "טקסט על מזג האוויר ועל הים",
    "天気と海についての文章です。🌊",
)
LENGTHS = (1, 2, 3, 5, 8, 13, 15, 16, 17, 31, 32, 33, 63, 64, 65, 100, 127, 128, 129, 200, 255, 256, 257, 384, 510, 512)
"""Words of a text: more than the model's limit are cut off."""


def texts() -> list[str]:
    """Return texts of every length and script."""
    words = " ".join(standard_library_texts(200)).split()
    in_length = [" ".join(words[length : 2 * length]) for length in LENGTHS]
    return ["", *SCRIPTS, *(" ".join([text] * 12) for text in SCRIPTS), *in_length]


def sha256_of(folder: Path, name: str) -> str:
    """Return the hash of all vectors, alone and together, by one instruction set."""
    os.environ[INSTRUCTION_SET_VARIABLE] = name
    try:
        encoder = Encoder.load(folder)
        alone = [encoder.encode_documents([text]).tobytes() for text in texts()]
        together = encoder.encode_documents(texts()).tobytes()
    finally:
        del os.environ[INSTRUCTION_SET_VARIABLE]
    if b"".join(alone) != together:
        raise SystemExit(f"{name}: vectors alone and in a batch differ")
    return hashlib.sha256(together).hexdigest()


def main() -> None:
    """Print a line for each set."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="an int8 model folder")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the hashes by set, null where it was not run")
    arguments = parser.parse_args()
    try:
        found = {name: sha256_of(arguments.folder, name) if name in here() else None for name in INSTRUCTION_SETS}
    except EmbedPluginError as error:
        sys.exit(f"same_bits.py: {error}")
    print(f"{arguments.folder}: {len(texts())} texts, {detect_class()}, onnxruntime {ONNXRUNTIME_VERSION}", end="")
    print(f", {datetime.now(UTC):%Y-%m-%d}\n")
    print(
        table(
            ["instruction set", "sha256 of the vectors"], [[name, hash_ or "not run"] for name, hash_ in found.items()]
        )
    )
    if arguments.json:
        arguments.json.write_text(json.dumps(found, indent=2) + "\n", encoding="utf-8")
    sys.exit(len(set(found.values()) - {None}) != 1)


if __name__ == "__main__":
    main()

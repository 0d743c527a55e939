"""The memory of a process that sends very many texts through `Encoder.stream_documents`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from typing import TYPE_CHECKING, Any

from lib.workloads import BENCHMARKS, source_texts

if TYPE_CHECKING:
    from pathlib import Path

TEXTS_WITH_WORDS = 50


def watch(folder: Path, count: int) -> dict[str, Any]:
    """Stream so many texts in a fresh process; its memory, some 200 times on the way."""
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as words:
        words.write("\n".join(source_texts()[1][:TEXTS_WITH_WORDS]))
        words.flush()
        command = [sys.executable, "-m", "lib.stream_texts", str(folder.resolve()), str(count), words.name]
        printed = subprocess.run(  # noqa: S603 - this project's own program, no shell
            command, check=True, capture_output=True, text=True, cwd=BENCHMARKS
        ).stdout
    return dict(json.loads(printed))

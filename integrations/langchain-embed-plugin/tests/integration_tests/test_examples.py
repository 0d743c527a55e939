from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

EXAMPLES = Path(__file__).parents[2] / "examples"
DOCUMENTATION = Path(__file__).parents[4] / "examples" / "1_stdlib_docs.py"

pytestmark = pytest.mark.real_model


def run(*command: str | Path) -> str:
    done = subprocess.run([sys.executable, *map(str, command)], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout


def test_the_retriever_finds_the_documentation(minilm: Callable[[str], Path], tmp_path: Path) -> None:
    lines = tmp_path / "docs.jsonl"
    entries = run(DOCUMENTATION).splitlines()
    lines.write_text("\n".join(line for line in entries if '"csv' in line or '"random' in line))
    answer = run(EXAMPLES / "1_rag_retriever.py", minilm("int8"), lines, "read a CSV file")
    assert "## csv" in answer
    assert answer.rstrip().endswith("Question: read a CSV file")


def test_the_switch_ranks_as_before(minilm: Callable[[str], Path]) -> None:
    first, *_ = run(EXAMPLES / "2_switch.py", minilm("int8")).splitlines()
    assert first.endswith("Compress bytes with gzip.")


def test_every_example_is_run_here() -> None:
    here = Path(__file__).read_text("utf-8")
    assert all(path.name in here for path in EXAMPLES.glob("*.py"))

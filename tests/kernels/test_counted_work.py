"""Attention by rule computes the scores that the rule leaves, and few more: counted, not timed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from kernels.test_other_cpus import BUILD, KERNELS

PROGRAM = Path(__file__).with_name("counted_work.c")


@pytest.mark.skipif(shutil.which("cc") is None, reason="not installed: cc")
def test_a_window_costs_what_is_in_it(tmp_path: Path) -> None:
    program, optimised = tmp_path / PROGRAM.stem, [flag for flag in BUILD["FLAGS"] if flag != "-fPIC"]
    command = [
        "cc",
        *optimised,
        "-I",
        str(KERNELS),
        str(PROGRAM),
        str(KERNELS / "scratch.c"),
        "-lm",
        "-o",
        str(program),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert not done.returncode, done.stderr
    printed = subprocess.run([program], capture_output=True, text=True, check=True).stdout
    short, long = ([int(count) for count in line.split()] for line in printed.splitlines())
    for tokens, (every, causal, window) in ((1024, short), (8192, long)):
        assert every == tokens**2
        assert tokens**2 / 2 < causal < tokens**2 / 2 + 4 * tokens  # four queries go together
        assert window < tokens * (2 * 64 + 4 + 16)  # and keys by sixteens

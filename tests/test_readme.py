"""The README's commands and its Python are run as they stand there, on a tiny model instead of bge-small."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
MODEL, RERANKER = "models/bge-small", "models/reranker"
TINY_RERANKER = Path(__file__).parent / "export" / "references" / "rerankers" / "bert"


def indented_lines() -> list[str]:
    return [
        line[4:].split("#", 1)[0].rstrip() for line in README.read_text("utf-8").splitlines() if line[:4] == " " * 4
    ]


@pytest.fixture
def workplace(tmp_path: Path, tiny_checkpoint: Path) -> Path:
    (tmp_path / "BAAI").mkdir()
    (tmp_path / "BAAI" / "bge-small-en-v1.5").symlink_to(tiny_checkpoint)
    (tmp_path / "cross-encoder").mkdir()
    (tmp_path / "cross-encoder" / "ms-marco-MiniLM-L6-v2").symlink_to(TINY_RERANKER)
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs" / "cats.md").write_text("# Cats\n\nthe cat sat on the mat\n")
    for number in range(12):  # enough to ask for
        words = " ".join(f"word{number}{letter}" for letter in "abcdefgh")
        (tmp_path / "docs" / f"{number}.txt").write_text(f"the {words}\n")
    (tmp_path / "scifact" / "qrels").mkdir(parents=True)
    (tmp_path / "scifact" / "corpus.jsonl").write_text('{"_id": "d", "title": "Cats", "text": "the cat"}\n')
    (tmp_path / "scifact" / "queries.jsonl").write_text('{"_id": "q", "text": "the cat"}\n')
    (tmp_path / "scifact" / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\nq\td\t1\n")
    (tmp_path / "lines.txt").write_text("the cat\na dog\n")
    return tmp_path


def test_the_commands_work_in_their_order(workplace: Path) -> None:
    commands = [line for line in indented_lines() if re.match(r"(cat \S+ \| )?embed-plugin \w", line)]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    assert len(commands) >= 5
    for command in commands:
        done = subprocess.run(  # noqa: S602 - the README's own lines
            command,
            shell=True,
            cwd=workplace,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{command}\n{done.stderr}"
    assert (workplace / "vectors.npy").exists()


def test_the_python_works(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(workplace)
    lines = indented_lines()
    start = lines.index("from embed_plugin import Encoder")
    end = next(at for at, line in enumerate(lines) if line.startswith("ranked = "))
    code = "\n".join(lines[start : end + 1])
    for source, out in (("BAAI/bge-small-en-v1.5", MODEL), ("cross-encoder/ms-marco-MiniLM-L6-v2", RERANKER)):
        subprocess.run([sys.executable, "-m", "embed_plugin.cli", "export", source, "--out", out], check=True)
    names: dict[str, object] = {}
    exec(code, names)  # noqa: S102 - the README's own lines
    assert getattr(names["scores"], "shape", None) == (1, 2)
    assert isinstance(names["ranked"], list)
    assert sorted(index for index, _ in names["ranked"]) == [0, 1]

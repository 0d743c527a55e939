from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.encode import Encoder
from embed_plugin.ingest import RecordReader, ingest, open_sink

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def tmp_path(path_in_memory: Path) -> Path:
    return path_in_memory


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "cat.md").write_text("# The cat\n\nthe cat sat on the mat, and the mat is red.\n")
    (folder / "again.md").write_text("# The cat\n\nthe cat sat on the mat, and the mat is red.\n")
    (folder / "dog.md").write_text("# The dog\n\n## Fast\n\nthe dog ran fast to the water and the tree\n")
    (folder / "long.txt").write_text("\n\n".join(f"line {number} of the house is blue. " * 30 for number in range(9)))
    return folder


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> Path:
    return tiny_model()


@pytest.fixture
def store(tmp_path: Path, notes: Path, model: Path) -> tuple[str, ...]:
    """Options that name a filled collection and its model."""
    target = str(tmp_path / "qdrant")
    with open_sink(target, "notes") as sink:
        ingest(RecordReader([notes]), Encoder.load(model), sink)
    return ("--to", target, "--collection", "notes", "--model", str(model))

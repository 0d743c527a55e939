from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.export import ExportSettings, export
from support.sparse_checkpoints import REFERENCES, checkpoint_of, exported

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tmp_path(path_in_memory: Path) -> Path:
    return path_in_memory


@pytest.fixture(scope="session")
def sparse_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a sparse encoder with a table for queries, in fp32."""
    made = tmp_path_factory.mktemp("sparse")
    return exported(checkpoint_of("splade-queries", made / "splade-queries"), made / "model")


@pytest.fixture(scope="session")
def late_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small late-interaction model, with the tokenizer of the sparse one."""
    folder = tmp_path_factory.mktemp("late") / "model"
    export(str(REFERENCES / "colbert"), folder, ExportSettings(precision="fp32"))
    return folder

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from support.targets import KINDS, Place, place_at, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def tmp_path(path_in_memory: Path) -> Path:
    return path_in_memory


@pytest.fixture(params=[*KINDS, pytest.param("server", marks=pytest.mark.server)])
def any_place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Place]:
    """An empty Qdrant of every kind that has aliases."""
    if request.param == "server":
        opened = place_at(request.getfixturevalue("own_qdrant_url"))
    else:
        opened = place_of(request.param, tmp_path)
    with opened as made:
        yield made

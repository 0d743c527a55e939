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
    is_server = request.param == "server"
    with (
        place_at(request.getfixturevalue("own_qdrant_url")) if is_server else place_of(request.param, tmp_path) as made
    ):
        yield made

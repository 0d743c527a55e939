"""The operators' tests run once for each instruction set that this CPU has."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import kernels
from embed_plugin.cpu.classes import INSTRUCTION_SET_VARIABLE

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(params=kernels.here(), scope="module")
def instruction_set(request: pytest.FixtureRequest) -> Iterator[str]:
    """Sessions that are made in the test use this set, which must not be another in silence."""
    name: str = request.param
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(INSTRUCTION_SET_VARIABLE, name)
        yield name

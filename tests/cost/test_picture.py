from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin import OutputError
from embed_plugin.cost import Machine, Traffic, month_of
from embed_plugin.cost.picture import draw

if TYPE_CHECKING:
    from pathlib import Path

MACHINE = Machine(10_000, 60)
MONTH = month_of(Traffic(1e9, 50), MACHINE, api_prices=(0.000001, 0.02))


def test_the_picture_names_the_prices_and_the_break_even(tmp_path: Path) -> None:
    draw(MONTH, MACHINE, tmp_path / "cost.svg")
    drawn = (tmp_path / "cost.svg").read_text(encoding="utf-8")
    for written in ("own machines, $60.00 each", "API at $0.02 per million tokens", "API at $1e-06", "3 billion"):
        assert written in drawn


def test_a_picture_of_dots_is_one(tmp_path: Path) -> None:
    draw(MONTH, MACHINE, tmp_path / "cost.png")
    assert (tmp_path / "cost.png").read_bytes().startswith(b"\x89PNG")


def test_a_picture_that_cannot_be_written_is_a_clear_error(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match="choose another --picture"):
        draw(MONTH, MACHINE, tmp_path / "nowhere" / "cost.svg")

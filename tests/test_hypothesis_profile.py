"""No property is bound to a time, on a machine however busy."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from datetime import timedelta

ROOT = Path(__file__).parents[1]


def test_nothing_that_takes_long_fails() -> None:
    deadline: timedelta | None = settings().deadline
    assert deadline is None
    assert HealthCheck.too_slow in settings().suppress_health_check


def test_a_file_sets_the_number_of_examples_and_nothing_else() -> None:
    files = [*ROOT.glob("tests/**/*.py"), *ROOT.glob("integrations/*/tests/**/*.py")]
    own = [line for file in files for line in re.findall(r"^@settings\(.*", file.read_text("utf-8"), re.MULTILINE)]
    assert own
    assert [line for line in own if not re.fullmatch(r"@settings\(max_examples=\d+\)", line)] == []

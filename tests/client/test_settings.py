from __future__ import annotations

from typing import Any

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.client import ClientSettings


@pytest.mark.parametrize(
    "wrong",
    [
        {"request_texts": 0},
        {"in_flight": 1.5},
        {"deadline_seconds": 0},
        {"open_seconds": float("inf")},
        {"on_long": "cut"},
    ],
)
def test_what_cannot_work_is_refused_by_name(wrong: dict[str, Any]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(wrong))):
        ClientSettings(**wrong)

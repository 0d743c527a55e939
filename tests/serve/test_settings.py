from __future__ import annotations

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.serve import ServeSettings


@pytest.mark.parametrize(
    "bad",
    [
        {"texts": 0},
        {"text_characters": 0},
        {"body_bytes": -1},
        {"connections": 0},
        {"queue_tokens": 0},
        {"deadline_seconds": 0},
        {"drain_seconds": -1.0},
        {"receive_seconds": float("nan")},
        {"on_long": "cut"},
    ],
    ids=str,
)
def test_what_cannot_work_is_refused_by_name(bad: dict[str, object]) -> None:
    with pytest.raises(InvalidInputError, match=next(iter(bad))):
        ServeSettings(**bad)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("host", "is_public"),
    [
        ("127.0.0.1", False),
        ("127.8.0.1", False),
        ("::1", False),
        ("localhost", False),
        ("0.0.0.0", True),  # noqa: S104 - the subject
        ("::", True),
        ("10.0.0.7", True),
        ("embed.example", True),
    ],
)
def test_loopback_is_told_from_what_others_reach(host: str, is_public: bool) -> None:  # noqa: FBT001 - a parameter
    assert ServeSettings(host=host).is_public == is_public

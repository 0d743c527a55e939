from __future__ import annotations

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.mcp.settings import McpSettings


@pytest.mark.parametrize(
    ("target", "collections", "release", "message"),
    [
        (":memory:", ("notes",), 60, "nothing is in it"),
        ("qdrant", (), 60, "no collection, expected one or more"),
        ("qdrant", ("notes", "notes"), 60, "one is named twice"),
        ("qdrant", ("notes",), -1, "-1 seconds until the store is closed"),
    ],
)
def test_settings_that_cannot_be_are_refused(
    target: str, collections: tuple[str, ...], release: float, message: str
) -> None:
    with pytest.raises(InvalidInputError, match=message):
        McpSettings(target, collections, release_seconds=release)


def test_the_key_is_not_shown() -> None:
    assert "secret" not in repr(McpSettings("http://localhost:6333", ("notes",), api_key="secret"))

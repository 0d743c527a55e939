from __future__ import annotations

import pytest

from embed_plugin.extras import PACKAGES_OF_EXTRA
from support.command_line import run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--to", "qdrant"), "--collection"),
        (("--to", ":memory:", "--collection", "a"), "nothing is in it"),
        (("--to", "qdrant", "--collection", "a", "--collection", "a"), "one is named twice"),
        (("--to", "qdrant", "--collection", "a", "--port", "8000"), "is for --transport http"),
        (("--to", "qdrant", "--collection", "a", "--release-after", "-1"), "until the store is"),
        (("--to", "qdrant", "--collection", "a", "--transport", "sse"), "sse"),
    ],
)
def test_wrong_usage_is_said_before_anything_starts(options: tuple[str, ...], message: str) -> None:
    done = run("mcp", *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in " ".join(done.stderr.replace("│", " ").split())


def test_without_the_extra_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "mcp", ("a_package_that_is_not_there",))
    done = run("mcp", "--to", "qdrant", "--collection", "notes")
    assert done.returncode == 1
    assert "needs a_package_that_is_not_there: run  pip install 'embed-plugin[mcp]'" in done.stderr

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.serve.api.negotiation import best_form
from embed_plugin.wire import FLOATS, JSON, LINES

if TYPE_CHECKING:
    from serve.conftest import RunningServer


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("text/html", JSON),
        (FLOATS, FLOATS),
        (f"{FLOATS};q=0", JSON),
        (f"{FLOATS};q=0.000", JSON),
        (f"{FLOATS}; charset=x; q=0", JSON),
        (f"{LINES};q=0, {FLOATS}", FLOATS),
        (f"{LINES};Q=0,*/*", JSON),
        (f"{JSON};q=0", FLOATS),
        (f"{JSON};q=0, */*", FLOATS),
        (f"{JSON};q=0, {FLOATS};q=0", LINES),
        (f"{JSON}, {FLOATS};q=0.9", JSON),
        (f"{JSON};q=0.5, {FLOATS};q=0.9", FLOATS),
        (f"{JSON}, {FLOATS}", FLOATS),
        (f"{LINES}, {FLOATS}", LINES),
        (f"{FLOATS}, */*", FLOATS),
        (f"{FLOATS};q=0.1, */*", JSON),
        ("application/*", JSON),
        ("Application/Octet-Stream", FLOATS),
        (f"{FLOATS};q=nan", FLOATS),
        (",;q=0,/;q", JSON),
    ],
)
def test_the_form_that_a_client_likes_best(accept: str, form: str) -> None:
    assert best_form(accept, (JSON, FLOATS, LINES)) == form


def test_a_form_that_is_excluded_is_not_sent(server: RunningServer) -> None:
    for accept, form in ((f"{LINES};q=0", JSON), (f"{FLOATS};q=0, {LINES}", LINES), (f"{FLOATS};q=0.5", FLOATS)):
        answer = server.embed(["the cat"], headers={"Accept": accept})
        assert (answer.status_code, answer.headers["content-type"]) == (200, form)

"""The page at /docs."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from serve.conftest import RunningServer


def test_it_has_every_path_field_and_error(server: RunningServer) -> None:
    page = server.client.get("/docs").text
    for path, methods in server.client.get("/openapi.json").json()["paths"].items():
        assert all(f"<h2>{method.upper()} {path}</h2>" in page for method in methods)
    assert "<code>texts</code> array of string" in page
    assert "<code>role</code> document | query, default document" in page
    assert "<code>429</code>" in page


def test_no_page_loads_anything_from_elsewhere(server: RunningServer) -> None:
    assert server.client.get("/redoc").status_code == 404
    for path in ("/", "/docs"):
        answer = server.client.get(path)
        assert re.findall(r"https?://", answer.text) == []
        assert answer.headers["content-security-policy"].startswith("default-src 'none'")

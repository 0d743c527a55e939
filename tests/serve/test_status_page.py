"""The status page in a real browser."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import embed_plugin.serve

if TYPE_CHECKING:
    from serve.conftest import RunningServer

PAGE = (Path(embed_plugin.serve.__file__).parent / "api" / "status.html").read_text(encoding="utf-8")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
needs_browser = pytest.mark.skipif(BROWSER is None, reason="needs Chromium (Debian: apt-get install chromium)")


def look_at(url: str, profile: Path) -> str:
    """The page as it is after its scripts have run and their requests were answered."""
    command = [str(BROWSER), "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={profile}"]
    command += ["--virtual-time-budget=5000", "--dump-dom", url]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120).stdout


def text_of(page: str, element: str) -> str:
    found = re.search(rf'id="{element}"[^>]*>(.*?)</(?:h1|span|p|dl|ol|section)>', page, re.DOTALL)
    assert found is not None, element
    return re.sub(r"<[^>]+>", " ", found[1])


@needs_browser
def test_it_shows_the_model_the_load_and_the_nearest_text(server: RunningServer, tmp_path: Path) -> None:
    page = look_at(f"{server.url}/#the%20cat%20sat", tmp_path)
    assert text_of(page, "model") == server.service.model.name
    assert text_of(page, "phase") == "ready"
    assert server.service.model.fingerprint in text_of(page, "facts")
    assert "Waiting, bulk" in text_of(page, "load")
    assert "NaN" not in page.split("<script>")[0]
    assert "6 texts in" in text_of(page, "told")
    scores = [float(score) for score in re.findall(r"<b>(-?\d\.\d{3})</b>", page)]
    assert len(scores) == 5
    assert scores == sorted(scores, reverse=True)


@needs_browser
def test_it_asks_for_a_key_where_one_is_needed(locked_server: RunningServer, tmp_path: Path) -> None:
    page = look_at(locked_server.url, tmp_path)
    assert re.search(r'<section id="key-section"[^>]*hidden', page) is None
    assert text_of(page, "phase") == "ready"
    assert text_of(page, "facts").strip() == ""


def test_it_loads_nothing_from_elsewhere_and_may_not(server: RunningServer) -> None:
    assert re.findall(r"https?://", PAGE) == []
    policy = server.client.get("/").headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "connect-src 'self'" in policy


def test_every_field_has_a_label_and_the_page_a_language() -> None:
    fields = re.findall(r'<(?:input|textarea) id="(\w+)"', PAGE)
    assert sorted(fields) == sorted(re.findall(r'<label for="(\w+)"', PAGE))
    assert '<html lang="en">' in PAGE
    assert "prefers-color-scheme: dark" in PAGE

"""The status page in a real browser."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import embed_plugin.serve
from embed_plugin.wire import STATUS

if TYPE_CHECKING:
    from serve.conftest import RunningServer

PAGE = (Path(embed_plugin.serve.__file__).parent / "api" / "status.html").read_text(encoding="utf-8")
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
KINDS = ("failures", "postponed", "mistakes")
NODE = shutil.which("node")
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
    assert text_of(page, "model") == server.model.name
    assert text_of(page, "phase") == "ready"
    assert server.model.fingerprint in text_of(page, "facts")
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
    for section in ("model-section", "load-section", "try-section"):
        assert re.search(rf'<section id="{section}"[^>]*hidden', page) is not None


def test_no_card_is_shown_before_it_has_something_to_show() -> None:
    for section in ("key-section", "model-section", "load-section"):
        assert re.search(rf'<section id="{section}"[^>]* hidden>', PAGE) is not None


def test_a_number_is_not_broken_by_the_text_beside_it() -> None:
    assert re.search(r"li b \{[^}]*flex: none;", PAGE) is not None
    assert re.findall(r"(.+) \{[^}]*overflow-wrap: anywhere", PAGE) == ["dd", "li .words"]


def test_a_failure_is_no_clients_mistake() -> None:
    kinds = dict(re.findall(r'(\w+): "(failures|postponed)"', PAGE))
    assert kinds.keys() == {code for code, status in STATUS.items() if status >= 500 or status == 429}
    assert {code for code, kind in kinds.items() if kind == "failures"} == {"internal", "deadline_exceeded"}


@pytest.mark.skipif(NODE is None, reason="needs Node.js")
def test_errors_are_counted_by_whose_they_are(server: RunningServer) -> None:
    script = PAGE.split("<script>")[1].split("let before")[0]
    script += "console.log(JSON.stringify(readMetrics(require('fs').readFileSync(0, 'utf8'))));"

    def read() -> dict[str, float]:
        page = server.client.get("/metrics").text
        done = subprocess.run(
            [str(NODE), "-e", script], input=page, capture_output=True, text=True, check=True, timeout=120
        )
        numbers: dict[str, float] = json.loads(done.stdout)
        return numbers

    before = read()
    server.embed(["the cat"], role="poem")
    server.embed(["cat " * 3000] * 4, headers={"Embed-Deadline-Ms": "1"})
    after = read()
    changes = {kind: after[f"embed_errors_total {kind}"] - before[f"embed_errors_total {kind}"] for kind in KINDS}
    assert changes == {"failures": 1, "postponed": 0, "mistakes": 1}


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

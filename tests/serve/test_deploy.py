"""What is in examples/deploy fits what the service says of itself."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from typer.testing import CliRunner

from embed_plugin.cli.app import app

if TYPE_CHECKING:
    from serve.conftest import RunningServer

DEPLOY = Path(__file__).parents[2] / "examples" / "deploy"
DASHBOARD: dict[str, Any] = json.loads((DEPLOY / "grafana" / "dashboard.json").read_text(encoding="utf-8"))
ALERTS = (DEPLOY / "alerts.yaml").read_text(encoding="utf-8")
PROMTOOL = shutil.which("promtool")
SERIES = re.compile(r"\b(?:embed|process)_[a-z_]+\b")


def queries() -> list[str]:
    targets = [target["expr"] for panel in DASHBOARD["panels"] for target in panel["targets"]]
    return [*targets, *(variable["definition"] for variable in DASHBOARD["templating"]["list"])]


def scraped(server: RunningServer) -> dict[str, set[str]]:
    """The names of all series that a scrape finds, and their labels."""
    found: dict[str, set[str]] = {}
    for family in text_string_to_metric_families(server.client.get("/metrics").text):
        for sample in family.samples:
            found.setdefault(sample.name, set()).update(sample.labels)
    return found


def test_every_series_of_dashboard_and_alerts_is_scraped(server: RunningServer) -> None:
    wanted = {name for query in queries() for name in SERIES.findall(query)} | set(SERIES.findall(ALERTS))
    assert len(wanted) > 15
    assert wanted - scraped(server).keys() == set()


def test_every_label_they_ask_for_is_there(server: RunningServer) -> None:
    known = {label for labels in scraped(server).values() for label in labels} | {"instance", "job"}
    asked = {
        label
        for text in [*queries(), ALERTS]
        for selector in re.findall(r"\{([^{}]*=[^{}]*)\}", text)
        for label in re.findall(r"(\w+)\s*=~?", selector)
    }
    assert asked - known == set()
    lanes = set(re.findall(r'lane="(\w+)"', " ".join([*queries(), ALERTS])))
    assert lanes <= {"interactive", "bulk"}


def test_every_series_of_the_service_is_on_the_dashboard_or_in_an_alert(server: RunningServer) -> None:
    shown = {name for query in queries() for name in SERIES.findall(query)} | set(SERIES.findall(ALERTS))
    families = {re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in scraped(server) if name[:5] == "embed"}
    assert families - {re.sub(r"_(total|bucket|sum|count|info)$", "", name) for name in shown} == set()


def test_the_panels_do_not_cover_each_other() -> None:
    taken: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not cells & taken
        assert at["x"] + at["w"] <= 24
        taken |= cells
    ids = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(ids)) == len(ids)


@pytest.mark.skipif(PROMTOOL is None, reason="needs promtool (Debian: apt-get install prometheus)")
def test_prometheus_takes_its_files(tmp_path: Path) -> None:
    for name in ("prometheus.yaml", "alerts.yaml"):
        text = (DEPLOY / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("/run/secrets/keys", "/dev/null"), encoding="utf-8")
    subprocess.run([str(PROMTOOL), "check", "config", tmp_path / "prometheus.yaml"], check=True, capture_output=True)


def test_the_image_has_no_root_and_the_unit_no_rights() -> None:
    *_, last = (DEPLOY / "Dockerfile").read_text(encoding="utf-8").split("\nFROM ")
    assert re.search(r"^USER embed$", last, re.MULTILINE)
    assert "gcc" not in last
    unit = (DEPLOY / "embed-plugin.service").read_text(encoding="utf-8")
    assert {"DynamicUser=yes", "NoNewPrivileges=yes", "ProtectSystem=strict"} <= set(unit.splitlines())


@pytest.mark.parametrize("name", ["Dockerfile", "embed-plugin.service", "compose.yaml", "README.md"])
def test_every_option_they_use_is_one_of_the_command(name: str) -> None:
    text = (DEPLOY / name).read_text(encoding="utf-8")
    commands = re.findall(r'embed-plugin[",\s]+serve\b(.*)', text)
    options = {option for command in commands for option in re.findall(r"--[\w-]+", command)}
    options |= set(re.findall(r"`(--[\w-]+)`", text))
    shown = CliRunner().invoke(app, ["serve", "--help"], terminal_width=200).output
    assert {option for option in options if option not in shown} == set()
    variables = set(re.findall(r"EMBED_PLUGIN_\w+", text))
    assert {variable for variable in variables if variable not in shown} == set()

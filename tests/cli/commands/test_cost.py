"""``embed-plugin cost`` as a user runs it, once in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from support import command_line

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ASKED = {
    "--texts-per-month": "12M",
    "--tokens-per-text": "50",
    "--api-price": "0.02",
    "--machine-per-month": "60",
    "--tokens-per-second": "30k",
}


@pytest.fixture(autouse=True)
def _wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")


def arguments(options: dict[str, str]) -> list[str]:
    return ["cost", *(part for option in options.items() for part in option)]


def run(options: dict[str, str], *more: str) -> subprocess.CompletedProcess[str]:
    return command_line.run(*arguments(options), *more)


def without(option: str) -> dict[str, str]:
    return {name: value for name, value in ASKED.items() if name != option}


def test_it_says_that_the_api_is_cheaper_and_where_that_ends() -> None:
    command = [sys.executable, "-W", "error", "-m", "embed_plugin.cli", *arguments(ASKED)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert "the API is cheaper by $48.00 a month: at this volume hosting costs more than it saves." in done.stdout
    assert "Break-even is at 3,000,000,000 tokens a month, 500.0% of this volume." in done.stdout
    assert "12,000,000 texts a month of 50 tokens" in done.stdout


def test_it_says_when_own_machines_are_cheaper() -> None:
    done = run(ASKED | {"--texts-per-month": "1e9", "--machine-per-month": "300"}, "--api-price", "0.13")
    assert "At $0.02 per million tokens own machines cost $100.00 a month less than the API, 10% of its" in done.stdout
    assert "At $0.13 per million tokens own machines cost $5,600.00 a month less than the API" in done.stdout


def test_it_says_when_the_api_is_cheaper_at_any_volume_unless_the_work_can_wait() -> None:
    done = run(ASKED | {"--texts-per-month": "1e9", "--tokens-per-second": "20k", "--machine-per-month": "300"})
    assert "No volume changes that" in done.stdout
    assert "If all work can wait for quiet hours, own machines are cheaper by $400.00." in done.stdout


def test_json_has_all_of_it(tmp_path: Path) -> None:
    done = run(without("--machine-per-month") | {"--machine-per-hour": "0.1"}, "--json", str(tmp_path / "cost.json"))
    assert (done.returncode, done.stdout) == (0, "")
    facts = json.loads((tmp_path / "cost.json").read_text())
    assert facts["machine"]["price_per_month"] == pytest.approx(72)
    assert facts["month"]["apis"][0]["per_month"] == pytest.approx(12)
    assert facts["month"]["peak"]["machines"] == 1
    assert facts["load"]["machine_hours"] == facts["load"]["hours"] == pytest.approx(600e6 / 30_000 / 3600)
    assert [each["options"] for each in facts["stored"]][1] == "--datatype float16"


def test_a_model_is_measured_and_gives_the_dimension(
    tiny_model: Callable[..., Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embed_plugin.cli.commands.cost.MEASURED_SECONDS", 0.2)
    asked = without("--tokens-per-second") | {"--model": str(tiny_model())}
    done = run(asked, "--quiet", "--json", "-", "--picture", str(tmp_path / "cost.svg"))
    assert (done.returncode, done.stderr) == (0, "")
    facts = json.loads(done.stdout)
    assert facts["machine"]["measured_with"] == str(tiny_model())
    assert facts["machine"]["tokens_per_second"] > 0
    assert facts["points"]["dimension"] == 32
    assert (tmp_path / "cost.svg").read_text().startswith("<?xml")


@pytest.mark.parametrize("option", [*ASKED])
@pytest.mark.parametrize("value", ["0", "-5", "nan", "inf", "many", ""])
def test_what_is_no_amount_is_refused_by_the_options_name(option: str, value: str) -> None:
    done = run(ASKED | {option: value})
    assert (done.returncode, done.stdout) == (2, "")
    assert option in done.stderr
    assert "expected a number above 0" in done.stderr


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (without("--tokens-per-second"), "--model"),
        (ASKED | {"--model": "somewhere"}, "--tokens-per-second"),
        (without("--machine-per-month"), "--machine-per-hour"),
        (ASKED | {"--picture": "cost.gif"}, "FILE.svg or FILE.png"),
        (ASKED | {"--picture": "nowhere/cost.svg"}, "in a folder that is there"),
    ],
)
def test_what_does_not_go_together_is_wrong_usage(options: dict[str, str], named: str) -> None:
    done = run(options)
    assert (done.returncode, done.stdout) == (2, "")
    assert named in done.stderr


def test_ratios_out_of_range_and_texts_beyond_the_models_limit_are_refused(tiny_model: Callable[..., Path]) -> None:
    long = without("--tokens-per-second") | {"--model": str(tiny_model()), "--tokens-per-text": "600"}
    for options, named in (
        (ASKED | {"--peak-to-average": "0.5"}, "peak"),
        (ASKED | {"--peak-to-average": "nan"}, "peak"),
        (ASKED | {"--utilisation": "0"}, "utilisation is 0: expected more than 0"),
        (without("--tokens-per-second") | {"--model": "nowhere", "--utilisation": "0"}, "utilisation is 0"),
        (long, "this model reads 512 tokens of a text"),
    ):
        done = run(options)
        assert (done.returncode, done.stdout) == (2, "")
        assert named in done.stderr

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.cli.jobs import job_of
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

JOB = """
to = "store"
collection = "of-the-file"

[jobs.docs]
paths = ["docs"]
collection = "of-the-job"
include = ["*.log", "*.txt"]
exclude = ["left.txt"]
mirror = true
chunk-tokens = 40
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a file of settings and three documents."""
    (tmp_path / "docs").mkdir()
    for name in ("a.txt", "b.log", "left.txt"):
        (tmp_path / "docs" / name).write_text(f"the cat sat on {name}")
    (tmp_path / "embed-plugin.toml").write_text(JOB)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records_of(collection: str) -> list[str]:
    found = json.loads(run("list", "--to", "store", "--collection", collection, "--json", "-").stdout)
    return [one["record"] for one in found["records"]]


def test_a_job_gives_ingest_its_paths_and_options(here: Path, tiny_model: Callable[..., Path]) -> None:
    model = ("--model", str(tiny_model()))
    assert run("ingest", "--job", "docs", *model).returncode == 0
    assert records_of("of-the-job") == ["a.txt", "b.log"]
    (here / "docs" / "b.log").unlink()
    assert run("ingest", "--job=docs", *model).returncode == 0
    assert records_of("of-the-job") == ["a.txt"]
    given = run("ingest", "docs/left.txt", "--job", "docs", *model, "--collection", "given", "--exclude", "x")
    assert given.returncode == 0, given.stderr
    assert records_of("given") == ["left.txt"]


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("miror = true", "embed-plugin.toml, [jobs.docs]: the key 'miror' is unknown; did you mean 'mirror'?"),
        ("yes = true", "[jobs.docs]: the key 'yes' is no key of a job"),
        ("mirror = 1", "[jobs.docs]: mirror is 1, expected true or false"),
        ('paths = "docs"', "[jobs.docs]: paths is 'docs', expected a list of texts"),
        ("chunk-tokens = [1]", "[jobs.docs]: chunk-tokens is [1], expected a text or a number"),
    ],
)
def test_what_is_wrong_in_a_job_is_named(here: Path, line: str, message: str) -> None:
    (here / "embed-plugin.toml").write_text(f"[jobs.docs]\n{line}\n")
    done = run("ingest", "--job", "docs")
    assert (done.returncode, message in done.stderr) == (1, True), done.stderr


def test_a_job_that_is_not_there_names_those_that_are(here: Path) -> None:
    assert (
        "has no job 'doc', expected a table [jobs.doc]; those there are: docs" in run("ingest", "--job", "doc").stderr
    )
    (here / "embed-plugin.toml").write_text('jobs = "docs"\n')
    assert "jobs is 'docs', expected tables [jobs.NAME]" in run("ingest", "--job", "docs").stderr
    (here / "embed-plugin.toml").unlink()
    assert "embed-plugin.toml has no job 'docs'" in run("ingest", "--job", "docs").stderr


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [([], None), (["--job", "a"], "a"), (["--job=a", "--job", "b"], "b"), (["--job"], None)],
)
def test_the_job_of_a_command_line(arguments: list[str], expected: str | None) -> None:
    assert job_of(["ingest", *arguments]) == expected

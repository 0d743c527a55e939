"""Defaults from a file: option before variable before file, and errors that name the file and the key."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin.cli.settings_file import FileSettings, read_settings
from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import Record, ingest, open_sink
from embed_plugin.testing import FakeEncoder
from support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a store of three collections."""
    for number, name in enumerate(("by-file", "by-variable", "by-option"), start=1):
        with open_sink(str(tmp_path / "store"), name) as sink:
            ingest([Record(f"{one}", f"text {one}") for one in range(number)], FakeEncoder(), sink)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def records_listed(*arguments: str) -> int:
    done = run("list", *arguments, "--json", "-")
    assert done.returncode == 0, done.stderr
    return len(json.loads(done.stdout)["records"])


def test_an_option_goes_before_a_variable_and_that_before_the_file(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "embed-plugin.toml").write_text('to = "store"\ncollection = "by-file"\n')
    assert records_listed() == 1
    monkeypatch.setenv("EMBED_PLUGIN_COLLECTION", "by-variable")
    assert records_listed() == 2
    assert records_listed("--collection", "by-option") == 3


def test_the_projects_file_is_read_where_there_is_no_other(here: Path) -> None:
    project = here / "pyproject.toml"
    project.write_text('[project]\nname = "x"\n[tool.embed-plugin]\nto = "store"\ncollection = "by-variable"\n')
    assert records_listed() == 2
    (here / "embed-plugin.toml").write_text('to = "store"\ncollection = "by-file"\n')
    assert records_listed() == 1


def test_the_model_may_come_from_the_file_or_a_variable(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (here / "embed-plugin.toml").write_text('model = "absent-of-file"\nto = "store"\ncollection = "by-file"\n')
    assert "absent-of-file is not a folder" in run("verify").stderr
    monkeypatch.setenv("EMBED_PLUGIN_MODEL", "absent-of-variable")
    assert "absent-of-variable is not a folder" in run("verify").stderr
    assert "absent-of-option is not a folder" in run("verify", "--model", "absent-of-option").stderr


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ('colection = "x"', "embed-plugin.toml: the key 'colection' is unknown, .*did you mean 'collection'?"),
        (
            'modle = "x"',
            "the key 'modle' is unknown, expected one of model, to, collection, jobs; did you mean 'model'?",
        ),
        ("to = 3", 'to is 3, expected text in quotes: to = "..."'),
        ('to = ""', "to is '', expected text"),
        ("to = ", "embed-plugin.toml is not TOML"),
        (b'to = "\xff"', "embed-plugin.toml cannot be read"),
    ],
)
def test_what_is_wrong_in_the_file_is_named(tmp_path: Path, content: str | bytes, message: str) -> None:
    (tmp_path / "embed-plugin.toml").write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(InvalidInputError, match=message):
        read_settings(tmp_path)


def test_an_error_in_the_projects_table_names_both(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.embed-plugin]\nkey = "x"\n')
    with pytest.raises(InvalidInputError, match=r"pyproject.toml, \[tool.embed-plugin\]: the key 'key' is unknown"):
        read_settings(tmp_path)
    (tmp_path / "pyproject.toml").write_text("[tool]\nembed-plugin = 3\n")
    with pytest.raises(InvalidInputError, match="3, expected a table with model, to, collection"):
        read_settings(tmp_path)


@pytest.mark.parametrize("content", ["[project", "[tool.other]\nto = 3\n", 'tool = "embed-plugin"\n'])
def test_a_projects_file_without_the_table_is_none_of_ours(tmp_path: Path, content: str) -> None:
    (tmp_path / "pyproject.toml").write_text(content)
    assert read_settings(tmp_path) == FileSettings()


def test_a_wrong_file_stops_the_commands_that_read_it_and_no_others(here: Path) -> None:
    (here / "embed-plugin.toml").write_text('colection = "x"\n')
    done = run("list", "--to", "store")
    assert (done.returncode, done.stderr.startswith("embed-plugin: embed-plugin.toml: the key")) == (1, True)
    assert run("list", "--help").returncode == run("models").returncode == 0

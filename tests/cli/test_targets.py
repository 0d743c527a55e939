"""Targets on the command line: what is refused makes nothing, and no message has a secret in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import run
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current folder, with a note to ingest."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "note.txt").write_text("the cat sat on the mat")
    return tmp_path


@pytest.fixture(scope="session")
def model(tiny_model: Callable[..., Path]) -> str:
    return str(tiny_model())


def ingest(model: str, target: str, *more: str) -> tuple[int, str, str]:
    done = run("ingest", "note.txt", "--model", model, "--to", target, "--collection", "c", *more)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize(
    "target",
    [
        "edg:store",
        "parquet:out",
        "EDGE:store",
        "http:localhost:6333",
        "http:/localhost",
        "edge://store",
        "edge:",
        ":mem:",
        "file:///store",
        "2024:notes",
        "edge:my:store",
    ],
)
def test_a_scheme_that_is_none_of_ours_is_refused_and_makes_nothing(here: Path, model: str, target: str) -> None:
    status, _, stderr = ingest(model, target)
    assert status == 1
    assert "expected a folder, edge:FOLDER, :memory: or a URL such as http://localhost:6333" in stderr
    assert [path.name for path in here.iterdir()] == ["note.txt"]


@pytest.mark.parametrize(
    ("target", "made"), [("./a:b", "a:b"), (r"C:\store", r"C:\store"), ("edge:./a:b", "a:b"), ("d:e", "d:e")]
)
def test_a_drive_and_a_folder_with_a_colon_are_folders(here: Path, model: str, target: str, made: str) -> None:
    assert ingest(model, target)[0] == 0
    assert (here / made).is_dir()


def test_a_folder_with_a_colon_is_told_how_to_be_named(here: Path, model: str) -> None:
    assert "is named edge:./my:store" in ingest(model, "edge:my:store")[2]
    assert "is named ./my:store" in ingest(model, "my:store")[2]
    assert [path.name for path in here.iterdir()] == ["note.txt"]


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize("command", ["ingest", "search", "verify", "migrate"])
def test_every_command_with_a_target_takes_a_ca_file(command: str, model: str) -> None:
    words = ["note.txt"] if command in {"ingest", "search"} else []
    place = ("--model", model, "--to", "https://127.0.0.1:1", "--collection", "c", "--ca-file", "absent.pem")
    done = run(command, *words, *place)
    assert (done.returncode, "the CA file absent.pem cannot be read" in done.stderr) == (1, True)


@pytest.mark.parametrize(
    "target", ["http://user:s3cr3t@127.0.0.1:1", "http://127.0.0.1:1?api_key=s3cr3t", "user:s3cr3t@127.0.0.1"]
)
def test_a_secret_in_a_target_is_in_no_message_and_no_file(here: Path, model: str, target: str) -> None:
    for more in ((), ("--json", "out.json"), ("--engine", "ray")):
        status, stdout, stderr = ingest(model, target, *more)
        assert status in {1, 2}
        assert "s3cr3t" not in stdout + stderr
    assert [path.name for path in here.iterdir()] == ["note.txt"]


def test_a_quota_ends_the_command_with_its_reason(here: Path, model: str) -> None:
    (here / "note.txt").rename(here / "other.txt")
    lines = "".join(json.dumps({"id": str(number), "text": "the cat"}) + "\n" for number in range(100))
    (here / "note.txt").write_text(lines)
    with misbehaving_qdrant() as (url, seen):
        seen.quota = "Wrong input: Max points count limit exceeded"
        status, _, stderr = ingest(model, url, "--format", "jsonl", "--id-field", "id", "--api-key", "s3cr3t-key")
        assert len(seen.writes) < 25
    assert (status, "Max points count limit exceeded" in stderr) == (1, True)
    assert "s3cr3t-key" not in stderr


@pytest.mark.usefixtures("here")
def test_the_home_folder_is_found_behind_edge_where_the_shell_leaves_it(
    tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert ingest(model, "edge:~/store")[0] == 0
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["home"]

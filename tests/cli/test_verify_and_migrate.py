from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from cli.test_ingest_and_search import run_process
from embed_plugin.ingest import open_sink
from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, ...]:
    return ("--to", str(tmp_path / "qdrant"), "--collection", "notes")


@pytest.fixture
def model(tiny_model: Callable[..., Path], place: tuple[str, ...]) -> Path:
    """A model folder; the collection holds its vectors."""
    folder = tiny_model()
    lines = "".join(json.dumps({"text": f"the cat {number}"}) + "\n" for number in range(5))
    assert run("ingest", "-", "--model", folder, *place, stdin=lines).returncode == 0
    return folder


def test_a_sound_collection_is_said_to_be_sound(model: Path, place: tuple[str, ...]) -> None:
    done = run("verify", "--model", model, *place)
    assert (done.returncode, done.stdout.split()[:2], done.stdout.split()[-2:]) == (
        0,
        ["points", "5"],
        ["result", "sound"],
    )


def test_what_is_wrong_is_named_and_the_exit_code_is_1(model: Path, place: tuple[str, ...], tmp_path: Path) -> None:
    with open_sink(str(tmp_path / "qdrant"), "notes") as sink:
        (page,) = sink.scan()
        sink._backend.overwrite_payloads("notes", {page[0].id: {"text": page[0].text, "text_hash": "damaged"}})
        sink._backend.overwrite_payloads("notes", {page[1].id: {"text": "somebody else's"}})
    done = run("verify", "--model", model, *place, "--json", "-")
    assert done.returncode == 1
    assert (json.loads(done.stdout)["problems"], json.loads(done.stdout)["foreign"]) == ({"unknown": 1}, 1)
    assert "foreign points  1: another program made them" in run("verify", "--model", model, *place).stdout


def test_a_copy_is_made_and_an_alias_switched_to_it(
    model: Path, place: tuple[str, ...], tiny_model: Callable[..., Path]
) -> None:
    other, live = tiny_model(precision="fp32"), (*place[:3], "live")
    made = ("migrate", "--model", str(other), *place, "--into", "notes-2", "--alias", "live")
    assert run(*made).stdout.splitlines()[-1] == 'opened by  client.query_points("live", query=vector)'
    found = run("search", "the cat 3", "--model", other, *live, "--limit", "1", "--json", "-")
    assert json.loads(found.stdout)[0]["text"] == "the cat 3"
    assert run("search", "the cat 3", "--model", model, *place).returncode == 0
    with open_sink(place[1], "notes") as sink:
        (page,) = sink.scan()
        sink._backend.overwrite_payloads("notes", {page[0].id: {"title": "a foreign point"}})
    assert "without text  1: another program stored them" in run(*made[:-4], "--into", "notes-3").stdout
    taken = run(*made[:-1], "notes")
    assert (taken.returncode, "the alias 'notes' is the name of a collection" in taken.stderr) == (1, True)
    assert run("migrate", "--model", other, *place, "--alias", "live").returncode == 2
    assert run(*made, "--drop-old").returncode == 2
    dropped = run("ingest", "-", "--model", other, *live, "--recreate", "--yes", stdin='{"text": "x"}')
    assert (dropped.returncode, "is an alias of 'notes-2'" in dropped.stderr) == (1, True)


@pytest.mark.usefixtures("model")
def test_a_collection_moves_to_another_model(
    place: tuple[str, ...], tiny_model: Callable[..., Path], tmp_path: Path
) -> None:
    other = tiny_model(precision="fp32")
    assert run("search", "the cat 3", "--model", other, *place).returncode == 1
    moved = run_process("migrate", "--model", other, *place, "--drop-old", "--json", "-")
    assert (moved.returncode, json.loads(moved.stdout)["embedded"], json.loads(moved.stdout)["dropped"]) == (0, 5, [""])
    found = run("search", "the cat 3", "--model", other, *place, "--limit", "1", "--json", "-")
    assert json.loads(found.stdout)[0]["text"] == "the cat 3"
    assert run_process("verify", "--model", other, *place).returncode == 0
    shutil.rmtree(tmp_path / "qdrant")
    assert run("verify", "--model", other, *place).returncode == 1

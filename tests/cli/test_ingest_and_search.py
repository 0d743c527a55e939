from __future__ import annotations

import json
import subprocess
import sys
from types import SimpleNamespace
from typing import TYPE_CHECKING

import pytest
import typer

from client.embedding_server import EmbeddingServer
from embed_plugin.cli.ingest import ingest
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from embed_plugin import Encoder


@pytest.fixture(scope="session")
def model(tiny_model: Callable[..., Path]) -> str:
    return str(tiny_model())


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-c", "from embed_plugin.cli import main; main()", *map(str, arguments)]


def run(*arguments: str | Path, stdin: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), input=stdin, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def place(tmp_path: Path, model: str) -> tuple[str, ...]:
    """The options that say which model and which collection."""
    return ("--model", model, "--to", str(tmp_path / "qdrant"), "--collection", "notes")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    (folder / "cat.md").write_text("# The cat\n\nthe cat sat on the mat")
    (folder / "dog.txt").write_text("the dog ran fast\x1b[31m")
    (folder / "image.png").write_bytes(b"\x89PNG")
    return folder


def test_a_folder_is_ingested_once_and_found(notes: Path, place: tuple[str, ...]) -> None:
    first = run("ingest", notes, *place, "--json", "-")
    assert (first.returncode, first.stderr) == (0, "")
    summary = json.loads(first.stdout)
    assert (summary["records"], summary["embedded"], summary["skipped_files"]) == (2, 2, 1)
    assert json.loads(run("ingest", notes, *place, "--json", "-").stdout)["unchanged"] == 2

    found = run("search", "the dog ran fast", *place, "--limit", "1")
    assert found.returncode == 0
    assert found.stdout.split()[0] == "1"
    assert "dog.txt" in found.stdout
    assert "\x1b" not in found.stdout
    hits = json.loads(run("search", "the dog ran fast", *place, "--json", "-").stdout)
    assert [hit["source_id"] for hit in hits] == ["dog.txt", "cat.md"]


def test_lines_from_stdin_are_ingested_and_summed_up_for_people(place: tuple[str, ...]) -> None:
    lines = '{"name": "a", "body": "the cat"}\n{"name": "b", "body": ""}\n'
    done = run("ingest", "-", *place, "--id-field", "name", "--text-field", "body", stdin=lines)
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split() for line in done.stdout.splitlines()[:3]] == [
        ["records", "2"],
        ["empty", "1"],
        ["chunks", "1"],
    ]


def test_a_dry_run_makes_no_folder(notes: Path, place: tuple[str, ...], tmp_path: Path) -> None:
    done = run("ingest", notes, *place, "--dry-run", "--json", tmp_path / "plan.json")
    plan = json.loads((tmp_path / "plan.json").read_text())
    assert (done.returncode, plan["embedded"], plan["dry_run"]) == (0, 2, True)
    assert not (tmp_path / "qdrant").exists()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("ingest", "nowhere.txt"), "nowhere.txt: no such file or folder"),
        (("ingest", "-"), "stdin:1: not JSON"),
        (("ingest", "-", "--chunk-tokens", "1"), "1 tokens a chunk"),
        (("search", "cat"), "no collection 'notes' (found: none)"),
        (("search", " "), "the query is empty"),
    ],
)
def test_what_goes_wrong_is_one_line_and_exit_code_1(
    place: tuple[str, ...], arguments: tuple[str, ...], says: str
) -> None:
    done = run(*arguments, *place, stdin="not json")
    assert done.returncode == 1
    assert says in done.stderr
    assert done.stderr.count("\n") == 1


def test_a_missing_option_is_wrong_usage(model: str) -> None:
    assert run("ingest", "-", "--model", model).returncode == 2


def test_stopping_says_what_is_stored_and_how_to_go_on(
    model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def lines() -> Iterator[bytes]:
        for number in range(1030):
            yield json.dumps({"text": f"the cat {number}"}).encode()
        raise KeyboardInterrupt

    stream = lines()
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=SimpleNamespace(readline=lambda _: next(stream))))
    with pytest.raises(typer.Exit) as stopped:
        ingest(["-"], model=model, to=str(tmp_path / "qdrant"), collection="notes")
    assert stopped.value.exit_code == 130
    assert capsys.readouterr().err == "Stopped: 1,024 records are stored. Run the same command again to go on.\n"


def test_a_service_takes_the_place_of_a_model_folder(
    notes: Path, place: tuple[str, ...], tiny_encoder: Encoder
) -> None:
    _, _, *rest = place
    with EmbeddingServer(tiny_encoder) as server:
        first = run("ingest", notes, "--model", server.url, *rest, "--json", "-")
        assert (first.returncode, first.stderr) == (0, "")
        assert json.loads(first.stdout)["embedded"] == 2
        assert server.posts()
        found = run("search", "the dog ran fast", "--model", server.url, *rest, "--json", "-")
        assert json.loads(found.stdout)[0]["source_id"] == "dog.txt"
    assert json.loads(run("ingest", notes, *place, "--json", "-").stdout)["unchanged"] == 2


def test_a_service_with_another_model_than_the_collections_is_refused(notes: Path, place: tuple[str, ...]) -> None:
    run("ingest", notes, *place)
    with EmbeddingServer(FakeEncoder()) as server:
        done = run("search", "the dog", "--model", server.url, *place[2:])
    assert done.returncode == 1
    assert "fake" in done.stderr
    assert done.stderr.count("\n") == 1

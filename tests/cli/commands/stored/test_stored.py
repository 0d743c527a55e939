"""The commands list, status and delete, on an embedded Qdrant of each kind and a server."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest

from conftest import HANG_SECONDS
from embed_plugin.ingest import IngestSettings, Record, ingest, open_sink
from embed_plugin.testing import FakeEncoder
from support.command_line import run
from support.misbehaving_qdrant import misbehaving_qdrant

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

RECORDS = [
    *(Record(f"r{number}", f"text {number}", source_name="a") for number in range(3)),
    Record("long", "word " * 200, source_name="a"),
    Record("r1", "another text", source_name="b"),
]


@pytest.fixture(params=["folder", "edge", "http"])
def target(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """A target with the collection "notes": eight chunks of five records of two sources."""
    if request.param == "edge":
        pytest.importorskip("qdrant_edge")
    with misbehaving_qdrant() as (url, _):
        made = {"folder": str(tmp_path / "store"), "edge": f"edge:{tmp_path / 'store'}", "http": url}[request.param]
        with open_sink(made, "notes") as sink:
            sink.prepare(FakeEncoder(), sources={"a": "/roots/a"})
            ingest(RECORDS, FakeEncoder(), sink)
        yield made


def command(name: str, target: str, *more: str) -> Any:  # noqa: ANN401 - JSON
    done = run(name, "--to", target, *more, "--json", "-")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_list_shows_sources_and_records_with_their_chunks(target: str) -> None:
    shown = run("list", "--to", target, "--collection", "notes", "--quiet").stdout
    assert shown.splitlines() == [
        "a: 4 records, 7 chunks, from /roots/a",
        "       4  long",
        *(f"       1  r{number}" for number in range(3)),
        "b: 1 record, 1 chunk",
        "       1  r1",
    ]
    found = command("list", target, "--collection", "notes", "--source", "b")
    assert found["records"] == [{"source": "b", "record": "r1", "chunks": 1, "expected": 1}]
    assert (found["points"], found["sources"]) == (8, [{"source": "b", "records": 1, "chunks": 1, "root": ""}])


def test_list_without_a_collection_shows_the_collections(target: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert run("list", "--to", target).stdout == "notes  8 points, dimension 32, made by ingest, space fake\n"
    monkeypatch.setenv("EMBED_PLUGIN_COLLECTION", "notes")
    assert [one["points"] for one in command("list", target, "--collections")] == [8]


def test_list_of_a_source_that_is_not_there_says_how_to_find_those_that_are(target: str) -> None:
    done = run("list", "--to", target, "--collection", "notes", "--source", "c", "--quiet")
    assert done.returncode == 1
    assert "collection 'notes' has no source 'c': embed-plugin list --to" in done.stderr
    assert run("list", "--to", target, "--source", "a").returncode == 2


def test_status_tells_what_is_there(target: str) -> None:
    shown = run("status", "--to", target, "--collection", "notes", "--quiet").stdout
    facts = {line[:21].rstrip(): line[21:].strip() for line in shown.splitlines()}
    assert (facts["points"], facts["records"], facts["under way"]) == ("8", "5", "nothing")
    assert facts["source a"] == "4 records, 7 chunks, from /roots/a"
    assert "dimension 32, cosine, float32, model not among the prepared ones, space fake" in facts["dense vectors"]
    assert ("not known" in facts["size on disk"]) == target.startswith("http")
    found = command("status", target, "--collection", "notes")
    assert (found["records"], [one["kind"] for one in found["vectors"]]) == (5, ["dense"])


def test_delete_says_how_much_and_names_what_it_did_not_find(target: str) -> None:
    place = ("--to", target, "--collection", "notes", "--quiet")
    asked = run("delete", *place, "--id", "long", "--id", "x", "--dry-run")
    assert (asked.returncode, asked.stdout) == (1, "4 chunks of 1 record of the source 'a' would be removed\n")
    assert asked.stderr == "embed-plugin: not found in collection 'notes': record 'x'\n"
    done = run("delete", *place, "--id", "long", "--yes")
    assert (done.returncode, done.stdout) == (0, "4 chunks of 1 record of the source 'a' removed\n")
    found = command("delete", target, "--collection", "notes", "--source", "a", "--source", "b", "--yes")
    assert (found["records"], found["chunks"], found["sources"]) == (4, 4, ["a", "b"])
    assert (found["missing"], found["removed"], found["dry_run"]) == ([], True, False)
    assert run("list", *place).stdout == "No records.\n"


def answered(answer: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command with a terminal as its stdin, on which this is typed."""
    keyboard, stdin = pty.openpty()
    os.write(keyboard, answer.encode())
    command = [sys.executable, "-m", "embed_plugin.cli", *arguments]
    done = subprocess.run(command, stdin=stdin, capture_output=True, text=True, check=False, timeout=HANG_SECONDS)
    for end in (keyboard, stdin):
        os.close(end)
    return done


def test_delete_asks_on_a_terminal_and_refuses_where_nobody_can_be_asked(tmp_path: Path) -> None:
    with open_sink(str(tmp_path / "store"), "notes") as sink:
        ingest(RECORDS, FakeEncoder(), sink)
    arguments = ("delete", "--to", str(tmp_path / "store"), "--collection", "notes", "--quiet", "--source", "a")
    refused = run(*arguments)
    assert (refused.returncode, "Add --yes" in refused.stderr) == (2, True)
    assert run(*arguments[:-2], "--yes").returncode == 2
    no = answered("n\n", *arguments)
    assert (no.returncode, no.stdout) == (1, "7 chunks of 4 records of the source 'a' found, and not removed\n")
    assert "Remove 7 chunks of 4 records of the source 'a'? [y/N]" in no.stderr
    yes = answered("y\n", *arguments)
    assert (yes.returncode, yes.stdout) == (0, "7 chunks of 4 records of the source 'a' removed\n")


def test_what_was_removed_comes_back_where_it_is_still_read(target: str) -> None:
    assert run("delete", "--to", target, "--collection", "notes", "--id", "r1", "--yes").returncode == 0
    with open_sink(target, "notes") as sink:
        summary = ingest(RECORDS, FakeEncoder(), sink, settings=IngestSettings())
    assert (summary.sources, summary.embedded) == ({"unchanged": 3, "new": 2}, 2)


def test_a_name_that_a_terminal_would_act_on_is_escaped(tmp_path: Path) -> None:
    with open_sink(str(tmp_path / "store"), "notes") as sink:
        ingest([Record("\x1b[31mred", "text", source_name="a\nb")], FakeEncoder(), sink)
    place = ("--to", str(tmp_path / "store"), "--collection", "notes")
    for name, more in (("list", ()), ("status", ()), ("delete", ("--id", "\x1b[31mred", "--dry-run"))):
        shown = run(name, *place, *more).stdout
        assert "\x1b" not in shown
        assert r"a\nb" in shown.replace("\\\\", "\\")


def test_a_list_goes_into_a_file_and_says_where_it_cannot(tmp_path: Path) -> None:
    with open_sink(str(tmp_path / "store"), "notes") as sink:
        ingest([Record("\u8868", "text")], FakeEncoder(), sink)
    place = ("--to", str(tmp_path / "store"), "--collection", "notes", "--quiet")
    assert run("list", *place, "--json", tmp_path / "list.json").returncode == 0
    assert json.loads((tmp_path / "list.json").read_text(encoding="utf-8"))["records"][0]["record"] == "\u8868"
    failed = run("list", *place, "--json", tmp_path / "absent" / "list.json")
    assert (failed.returncode, "choose another --json" in failed.stderr) == (1, True)

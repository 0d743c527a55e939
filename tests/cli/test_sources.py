"""Sources, mirrors and what a failed run leaves behind, by the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import run

if TYPE_CHECKING:
    import subprocess
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def model(tiny_model: Callable[..., Path]) -> str:
    return str(tiny_model())


@pytest.fixture(params=["folder", "edge"])
def place(request: pytest.FixtureRequest, tmp_path: Path, model: str, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Options that name the model and the collection."""
    if request.param == "edge":
        pytest.importorskip("qdrant_edge")
    monkeypatch.chdir(tmp_path)  # where dead letters go
    prefix = "edge:" if request.param == "edge" else ""
    return ["--model", model, "--to", f"{prefix}{tmp_path / 'store'}", "--collection", "notes"]


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"the cat sat on {folder.name}/{name}")
    return folder


def take(*arguments: str | Path) -> tuple[subprocess.CompletedProcess[str], dict[str, Any]]:
    done = run("ingest", *arguments, "--json", "-")
    return done, json.loads(done.stdout) if done.stdout else {}


def stored(place: list[str]) -> list[tuple[str, str]]:
    hits = json.loads(run("search", "cat", *place, "--duplicates", "--limit", "99", "--json", "-").stdout)
    return sorted((hit["source_name"], hit["source_id"]) for hit in hits)


def names_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_two_folders_share_a_collection_and_mirror_stays_in_its_own(tmp_path: Path, place: list[str]) -> None:
    a, b = fill(tmp_path / "a", "README.md", "x.txt"), fill(tmp_path / "b", "README.md", "y.txt")
    take(a, *place)
    assert take(b, *place)[1]["sources"] == {"new": 2}
    assert take(a, *place, "--mirror")[1]["removed"] == 0
    assert stored(place) == [("a", "README.md"), ("a", "x.txt"), ("b", "README.md"), ("b", "y.txt")]
    assert run("verify", *place).returncode == 0


def test_another_folder_of_the_same_name_needs_a_name(tmp_path: Path, place: list[str]) -> None:
    take(fill(tmp_path / "one/docs", "a.txt"), *place)
    other = fill(tmp_path / "two/docs", "a.txt")
    for options in ([], ["--dry-run"], ["--mirror"]):
        done, _ = take(other, *place, *options)
        assert (done.returncode, done.stderr.count("\n"), "--source" in done.stderr) == (1, 1, True)
    assert stored(place) == [("docs", "a.txt")]
    assert take(other, *place, "--source", "second")[1]["embedded"] == 1
    assert stored(place) == [("docs", "a.txt"), ("second", "a.txt")]


def test_a_collection_is_not_dropped_for_paths_that_cannot_be_read_together(tmp_path: Path, place: list[str]) -> None:
    one, two = fill(tmp_path / "one/docs", "a.txt"), fill(tmp_path / "two/docs", "b.txt")
    take(one, *place)
    assert take(one, two, *place, "--recreate", "--yes")[0].returncode == 1
    assert take(tmp_path / "typo", *place, "--recreate", "--yes")[0].returncode == 1
    assert stored(place) == [("docs", "a.txt")]
    assert take(two, *place, "--recreate", "--yes")[1]["embedded"] == 1
    assert stored(place) == [("docs", "b.txt")]


@pytest.mark.parametrize("name", ["", "a\nb", "\x1b[31m", "a\x00b"])
def test_a_name_that_cannot_be_printed_is_refused(tmp_path: Path, place: list[str], name: str) -> None:
    done, _ = take(fill(tmp_path / "docs", "a.txt"), *place, "--source", name)
    assert (done.returncode, "\x1b" in done.stderr, (tmp_path / "store").exists()) == (1, False, False)


def test_dead_letters_are_tried_again_in_their_source(tmp_path: Path, place: list[str]) -> None:
    docs = fill(tmp_path / "docs", "a.txt")
    (docs / "b.txt").write_bytes(b"caf\xe9")
    assert take(docs, *place, "--source", "mine")[0].returncode == 3
    done = run("ingest", *place, "--retry-rejected", "notes.rejected.jsonl", "--encoding", "cp1252")
    assert (done.returncode, stored(place)) == (0, [("mine", "a.txt"), ("mine", "b.txt")])


def test_a_renamed_file_is_mirrored_and_not_embedded_again(tmp_path: Path, place: list[str]) -> None:
    docs = fill(tmp_path / "docs", *"abcde")
    for name in "abcde":
        (docs / name).rename(docs / f"{name}.txt")
    take(docs, *place)
    (docs / "a.txt").rename(docs / "z.txt")
    plan = take(docs, *place, "--mirror", "--dry-run")[1]
    assert (plan["embedded"], plan["reused"], plan["removed"], plan["estimate"]["tokens"]) == (0, 1, 1, 0)
    assert [one for one in plan["plan"] if one["status"] == "removed"] == [
        {
            "source_name": "docs",
            "source_id": "a.txt",
            "status": "removed",
            "chunks": 0,
            "to_embed": 0,
            "reused": 0,
            "to_delete": None,
            "tokens": 0,
        }
    ]
    done, summary = take(docs, *place, "--mirror")
    assert (done.returncode, summary["embedded"], summary["reused"], summary["tokens"]) == (0, 0, 1, 0)
    assert stored(place) == [("docs", f"{name}.txt") for name in "bcdez"]
    assert run("verify", *place).returncode == 0


def test_more_than_a_few_records_need_an_option(tmp_path: Path, place: list[str]) -> None:
    docs = fill(tmp_path / "docs", *map("{}.txt".format, range(10)))
    take(docs, *place)
    for number in range(4):
        (docs / f"{number}.txt").unlink()
    refused, _ = take(docs, *place, "--mirror")
    assert refused.returncode == 1
    assert "40.0%, and more than 10.0% are not removed unasked" in refused.stderr
    assert "--max-delete-records (now 3)" in refused.stderr
    assert take(docs, *place, "--mirror", "--max-delete-records", "4")[1]["removed"] == 4


def test_nothing_behind_a_link_that_is_away_is_removed(tmp_path: Path, place: list[str]) -> None:
    docs = fill(tmp_path / "docs", "a.txt", "b.txt")
    (docs / "shared").symlink_to(fill(tmp_path / "mounted", "c.txt"))
    take(docs, *place)
    (tmp_path / "mounted").rename(tmp_path / "away")
    (docs / "b.txt").unlink()
    done, summary = take(docs, *place, "--mirror")
    assert (done.returncode, summary["removed"], len(stored(place))) == (1, 0, 3)
    assert "not all could be read, so none was removed" in done.stderr
    done, _ = take(docs, *place, "--mirror", "--exclude", "shared")  # now it is to go
    assert (done.returncode, stored(place)) == (0, [("docs", "a.txt")])


@pytest.mark.parametrize("inside", [(), ("image.png",), (".hidden.txt",)])
def test_a_folder_without_anything_to_read_makes_nothing_and_warns(
    tmp_path: Path, place: list[str], inside: tuple[str, ...]
) -> None:
    (tmp_path / "docs").mkdir()
    done, summary = take(fill(tmp_path / "docs", *inside), *place)
    assert (done.returncode, summary["records"]) == (0, 0)
    assert "nothing was read from" in done.stderr
    assert names_in(tmp_path) == ["docs"]
    assert "nothing was read from -" in run("ingest", "-", *place, stdin="").stderr
    assert names_in(tmp_path) == ["docs"]


def test_a_folder_of_which_nothing_can_be_read_makes_no_collection(tmp_path: Path, place: list[str]) -> None:
    (fill(tmp_path / "docs", "a.jsonl") / "b.txt").write_bytes(b"\x00")
    done, _ = take(tmp_path / "docs", *place)
    assert (done.returncode, names_in(tmp_path)) == (3, ["docs", "notes.rejected.jsonl"])


def test_a_mirror_of_an_empty_folder_is_refused(tmp_path: Path, place: list[str]) -> None:
    docs = fill(tmp_path / "docs", "a.txt")
    take(docs, *place)
    (docs / "a.txt").unlink()
    done, _ = take(docs, *place, "--mirror")
    assert (done.returncode, "none was read at all" in done.stderr, len(stored(place))) == (1, True, 1)


def test_a_path_or_a_model_that_is_not_there_makes_nothing(tmp_path: Path, place: list[str]) -> None:
    (tmp_path / "docs").mkdir()
    for options in ([], ["--mirror"], ["--recreate", "--yes"], ["--dry-run"]):
        assert take(tmp_path / "dosc", *place, *options)[0].returncode == 1
    place[1] = str(tmp_path / "no-model")
    assert take(fill(tmp_path / "docs", "a.txt"), *place)[0].returncode == 1
    assert names_in(tmp_path) == ["docs"]


@pytest.mark.parametrize("command", [("search", "cat"), ("verify",), ("migrate",)])
def test_a_command_that_reads_makes_nothing(tmp_path: Path, place: list[str], command: tuple[str, ...]) -> None:
    done = run(*command, *place)
    assert (done.returncode, done.stderr.count("\n"), names_in(tmp_path)) == (1, 1, [])
    take(fill(tmp_path / "docs", "a.txt"), *place)
    before = names_in(tmp_path / "store")
    done = run(*command, *place[:-1], "other")
    assert (done.returncode, "'other'" in done.stderr) == (1, True)
    assert names_in(tmp_path / "store") == before

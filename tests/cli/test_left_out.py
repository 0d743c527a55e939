"""What a run leaves out or rejects, as the command tells it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from support.command_line import run

if TYPE_CHECKING:
    from collections.abc import Callable

BAD = b'{"id": "b", "text": 7}\n'


@pytest.fixture
def place(tmp_path: Path, tiny_model: Callable[..., Path], monkeypatch: pytest.MonkeyPatch) -> tuple[str, ...]:
    """Options that name the model and the collection; the working folder is ``tmp_path``."""
    monkeypatch.chdir(tmp_path)
    return ("--model", str(tiny_model()), "--to", str(tmp_path / "qdrant"), "--collection", "notes")


@pytest.fixture
def docs(tmp_path: Path) -> Path:
    (tmp_path / "docs").mkdir()
    return tmp_path / "docs"


def write(folder: Path, **files: str | bytes) -> None:
    """Write files; ``__`` in a name stands for the dot."""
    for name, content in files.items():
        (folder / name.replace("__", ".")).write_bytes(content if isinstance(content, bytes) else content.encode())


def summary(*arguments: str | Path) -> dict[str, Any]:
    done: dict[str, Any] = json.loads(run("ingest", *arguments, "--json", "-").stdout)
    return done


def letters(path: str | Path = "notes.rejected.jsonl") -> list[str]:
    return [json.loads(line)["place"] for line in Path(path).read_text().splitlines()]


def test_a_dead_letter_file_inside_the_source_does_not_grow_with_each_run(
    docs: Path, place: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    write(docs, a__csv="text,n\n" + "one,1,1\n" * 600, b__txt="the cat")
    monkeypatch.chdir(docs)
    first = run("ingest", ".", *place)
    once = Path("notes.rejected.jsonl").read_bytes()
    assert (first.returncode, len(once.splitlines())) == (3, 600)
    again = summary(".", *place)
    assert Path("notes.rejected.jsonl").read_bytes() == once
    assert (again["records"], again["rejected"]) == (601, 600)
    assert again["skipped"] == [{"name": "notes.rejected.jsonl", "reason": "dead-letter file"}]
    assert run("ingest", "notes.rejected.jsonl", *place).returncode == 1


def test_what_is_mended_leaves_the_dead_letter_file_and_what_is_not_read_stays(
    docs: Path, place: tuple[str, ...], tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    write(tmp_path / "other", c__jsonl=BAD)
    write(docs, a__jsonl=BAD + b"not json\n", b__jsonl=b'{"id": "c"}\n')
    options = (*place, "--id-field", "id", "--source", "one")
    run("ingest", docs, *options)
    run("ingest", tmp_path / "other", *place, "--id-field", "id")
    assert len(letters()) == 4
    write(docs, a__jsonl='{"id": "b", "text": "the dog"}\n{"id": "x", "text": "the cat"}\n')
    assert summary(docs / "a.jsonl", *options)["embedded"] == 2
    assert letters() == [f"{docs}/b.jsonl:1", f"{tmp_path}/other/c.jsonl:1"]
    write(docs, b__jsonl="")
    assert summary(docs, *options)["unchanged"] == 2
    assert letters() == [f"{tmp_path}/other/c.jsonl:1"]


@pytest.mark.parametrize("option", [(), ("--rejected", "second.jsonl")])
def test_an_old_text_is_not_brought_back_by_its_dead_letter(
    docs: Path, place: tuple[str, ...], option: tuple[str, ...]
) -> None:
    options = (*place, "--id-field", "id")
    write(docs, a__jsonl=BAD)
    run("ingest", docs, *options, "--rejected", "first.jsonl")
    Path("first.jsonl").write_text(Path("first.jsonl").read_text().replace(": 7", r": \"old\""))
    write(docs, a__jsonl='{"id": "b", "text": "the new dog"}\n')
    retry = (*options, "--retry-rejected", "first.jsonl")
    assert summary(*retry, "--dry-run")["sources"] == {"new": 1}
    run("ingest", docs, *options, *option)
    assert summary(*retry, "--dry-run")["skipped"] == [{"name": "b", "reason": "stored since"}]
    done = run("ingest", *retry)
    assert done.returncode == 0
    assert "1 dead letter not tried again, as the record was stored since: b" in done.stderr
    assert not Path("first.jsonl").exists()
    hits = json.loads(run("search", "dog", *place, "--json", "-").stdout)
    assert [hit["text"] for hit in hits] == ["the new dog"]


def test_a_folder_of_what_is_not_read_is_a_warning_with_suffixes(docs: Path, place: tuple[str, ...]) -> None:
    for number in range(9):
        write(docs, **{f"a{number}__odt": "%PDF-1.4", ".hidden": ""})
    write(docs, b__DOC=b"PK\x03\x04", c__doc=b"PK\x03\x04")
    done = run("ingest", docs, *place)
    assert done.returncode == 0
    assert f"nothing was read from {docs}: " in done.stderr
    assert "(9 .odt, 2 .doc; hidden 1). Reading .odt, .doc is not supported" in done.stderr
    assert "skipped files   12: 9 .odt, 2 .doc; hidden 1" in done.stdout
    found = summary(docs, *place)
    assert found["skipped_counts"] == {"hidden": {"": 1}, "other suffix": {".odt": 9, ".doc": 2}}
    assert (found["skipped_files"], len(found["skipped"])) == (12, 12)


def test_an_empty_folder_is_a_warning(docs: Path, place: tuple[str, ...]) -> None:
    done = run("ingest", docs, *place)
    assert (done.returncode, done.stderr) == (
        0,
        f"embed-plugin: nothing was read from {docs}: there is no record in it\n",
    )


@pytest.mark.parametrize("option", [(), ("--dry-run",)])
def test_verbose_names_what_is_left_out_and_json_has_the_same(
    docs: Path, place: tuple[str, ...], option: tuple[str, ...]
) -> None:
    write(docs, a__png="x", b__txt=" \n", c__md="the cat", d__txt=b"%PDF-1.4")
    done = run("ingest", docs, *place, *option, "--verbose", "--json", "-")
    assert [line for line in done.stderr.splitlines() if "skipped" in line or "rejected " in line][:3] == [
        "embed-plugin: skipped a.png: other suffix",
        f"embed-plugin: rejected {docs}/d.txt: found PDF, expected text. Convert it, or leave it out",
        "embed-plugin: skipped b.txt: empty",
    ]
    found = json.loads(done.stdout)
    assert [tuple(one.values()) for one in found["skipped"]] == [("a.png", "other suffix"), ("b.txt", "empty")]
    assert (found["skipped_files"], found["empty"], found["rejected"]) == (1, 1, 1)
    assert "b.txt" not in run("ingest", docs, *place, *option).stderr


def test_names_and_reasons_are_escaped_wherever_they_are_shown(docs: Path, place: tuple[str, ...]) -> None:
    for name in ("\x1b[31mred.txt", "\x1b]0;x\x07.odt", "\u202egpj.txt", "two\nlines.txt"):
        (docs / name).write_text("the cat\x1b[2J \x9b2J")
    (docs / "\x1b[31mbad.txt").write_text("%PDF-1.4")
    (docs / "\x1bempty.txt").touch()
    Path(os.fsdecode(b"docs/caf\xe9.odt")).touch()
    shown = [run("ingest", docs, *place, *options) for options in (["--dry-run"], ["--verbose"], ["--recreate"])]
    shown += [
        run("search", "cat", *place),
        run("verify", *place),
        run("ingest", "\x1b[31mnowhere", *place),
        run("ingest", docs, *place, "--id-field", "\x1b[31mid", "--format", "csv", "--include", "*.txt", "--verbose"),
    ]
    for done in shown:
        text = (done.stdout + done.stderr).replace("\n", "")
        assert [one for one in text if not one.isprintable()] == []
        assert "\x1b" not in text
    assert r"\x1b[31mred.txt" in shown[0].stdout
    assert r"skipped caf\udce9.odt" in shown[1].stderr
    assert r"\x1b[31mnowhere: no such file" in shown[5].stderr
    names = [one["name"] for one in summary(docs, *place)["skipped"]]
    assert names == ["\x1b]0;x\x07.odt", "caf\udce9.odt", "\x1bempty.txt"]


def test_a_rate_is_told_only_of_what_was_embedded_and_one_is_one(docs: Path, place: tuple[str, ...]) -> None:
    write(docs, a__txt="the cat", b__txt=b"%PDF-1.4")
    assert "texts per second" not in run("ingest", docs, *place, "--dry-run").stdout
    first = run("ingest", docs, *place)
    assert "texts per second" in first.stdout
    assert "1 record was rejected. " in first.stderr
    assert f"the reason: {docs}/b.txt: found PDF" in first.stderr
    assert "texts per second" not in run("ingest", docs, *place).stdout
    assert summary(docs, *place)["texts_per_second"] == 0
    assert "(1 of 1 chunk to embed, 4 tokens)" in run("ingest", docs, *place, "--dry-run", "--source", "other").stdout

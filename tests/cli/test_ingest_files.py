"""Files as people have them, by the command line: pages, charsets, line ends, delimiters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import run
from support.documents import book, pdf, scan

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@pytest.fixture
def place(tmp_path: Path, tiny_model: Callable[..., Path]) -> tuple[str, ...]:
    """Options that name the model and the collection."""
    return ("--model", str(tiny_model()), "--to", str(tmp_path / "qdrant"), "--collection", "files")


def texts(place: tuple[str, ...]) -> list[str]:
    hits = json.loads(run("search", "the cat", *place, "--json", "-", "--limit", "9").stdout)
    return sorted(hit["text"] for hit in hits)


@pytest.mark.parametrize(
    ("name", "content", "options", "expected"),
    [
        ("a.html", b"<p hidden>no</p>in<b>side</b><button>Send</button><button>Cancel", (), ["inside Send Cancel"]),
        ("a.html", b"<meta charset=iso-8859-1>\x93the cat\x94", (), ["“the cat”"]),
        ("a.html", b"<meta charset=gb2312>caf\xe9", ("--encoding", "iso-8859-1"), ["café"]),
        ("a.txt", b"\x93the cat\x94", ("--encoding", "iso-8859-1"), ["“the cat”"]),
        ("a.csv", b"text\r\x87\x40\r", ("--encoding", "shift_jis"), ["①"]),
        ("a.jsonl", b'\n\xef\xbb\xbf{"text": "one"}\r\n\r\n{"text": "two"}', (), ["one", "two"]),
        ("a.csv", b"n;text\n1;the cat\n", ("--delimiter", ";"), ["the cat"]),
        ("a.html", b"<p>" + b" " * 1_000_000 + b"the cat", (), ["the cat"]),
        (
            "a.json",
            b'{"items": [{"a": {"b": "the cat"}}]}',
            ("--records-path", "items", "--text-field", "a.b"),
            ["the cat"],
        ),
        (
            "a.pdf",
            pdf("the cat", "the dog"),
            ("--max-parse-seconds", "120", "--max-parse-mb", "500"),
            ["the cat", "the dog"],
        ),
        ("a.epub", book("<p>the cat</p>"), (), ["the cat"]),
    ],
)
def test_files_are_read_as_their_readers_see_them(
    tmp_path: Path, place: tuple[str, ...], name: str, content: bytes, options: tuple[str, ...], expected: list[str]
) -> None:
    (tmp_path / name).write_bytes(content)
    done = run("ingest", tmp_path / name, *place, *options)
    assert done.returncode == 0, done.stderr
    assert texts(place) == expected


def test_a_file_in_another_encoding_has_one_guess_in_its_dead_letters(tmp_path: Path, place: tuple[str, ...]) -> None:
    words = ["Œuvre", "naïve", "100 €", "señor", "“quoted”", "Straße"]
    (tmp_path / "a.jsonl").write_bytes("".join(f'{{"text": "{word}"}}\n' for word in words * 9).encode("cp1252"))
    dead = tmp_path / "dead"
    assert run("ingest", tmp_path / "a.jsonl", *place, "--rejected", dead).returncode == 3
    reasons = [json.loads(line)["reason"] for line in dead.read_text().splitlines()]
    assert {reason.partition("). ")[2] for reason in reasons} == {
        "It looks like cp1252: if it is, give --encoding cp1252"
    }
    assert run("ingest", "--retry-rejected", dead, *place, "--encoding", "cp1252").returncode == 0
    assert set(texts(place)) <= set(words)


def test_a_document_that_cannot_be_read_is_rejected_and_the_others_are_stored(
    tmp_path: Path, place: tuple[str, ...]
) -> None:
    folder = tmp_path / "documents"
    folder.mkdir()
    (folder / "scan.pdf").write_bytes(scan())
    (folder / "z.pdf").write_bytes(pdf("the cat"))
    done = run("ingest", folder, *place, "--rejected", tmp_path / "rejected.jsonl")
    assert done.returncode == 3
    assert "scan.pdf: no text on any of its 2 pages, as of a scan" in done.stderr
    assert texts(place) == ["the cat"]
    (folder / "scan.pdf").write_bytes(pdf("read at last"))
    done = run("ingest", "--retry-rejected", tmp_path / "rejected.jsonl", *place)
    assert done.returncode == 0, done.stderr
    assert texts(place) == ["read at last", "the cat"]


def test_what_git_ignores_is_read_with_no_gitignore(tmp_path: Path, place: tuple[str, ...]) -> None:
    folder = tmp_path / "tree"
    (folder / ".git").mkdir(parents=True)
    (folder / ".gitignore").write_text("b.txt")
    (folder / "a.txt").write_text("the cat")
    (folder / "b.txt").write_text("the dog")
    done = run("ingest", folder, *place)
    assert "ignored by git 1" in done.stdout
    assert texts(place) == ["the cat"]
    run("ingest", folder, *place, "--no-gitignore")
    assert texts(place) == ["the cat", "the dog"]


def test_a_limit_that_nothing_fits_in_is_wrong_usage(tmp_path: Path, place: tuple[str, ...]) -> None:
    assert run("ingest", tmp_path, *place, "--max-parse-mb", "1").returncode == 2

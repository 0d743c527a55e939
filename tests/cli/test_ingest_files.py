"""Files as people have them, by the command line: pages, charsets, line ends, delimiters."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from support.command_line import run

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

"""Damaged files of each format: each is read or rejected, and the run goes on."""

from __future__ import annotations

import io
import random
import zipfile
from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import Record, RecordReader
from support.documents import book, mail, notebook, pdf, slides, word, workbook

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

COUNT = 1_000
ORIGINALS: dict[str, Callable[[], bytes]] = {
    "pdf": lambda: pdf("The cat sat\non the mat", "The dog ran", bookmarks=[(1, "One", 0), (2, "Two", 1)][:1]),
    "docx": word,
    "pptx": slides,
    "xlsx": lambda: workbook([["item", "price"], ["fish", 3.5], ["milk", True]]),
    "epub": lambda: book("<h1>One</h1><p>The cat</p>", "<table><tr><td>a</td></tr></table>"),
    "ipynb": notebook,
    "eml": lambda: mail(("a.pdf", pdf("one")), ("a.docx", word()), ("n.txt", b"note")),
    "json": lambda: b'[{"text": "the cat", "n": [1, 2.5, null, {"k": "v"}]}, {"text": "the dog"}]',
}


def mutated(content: bytes, chance: random.Random) -> bytes:
    """Some bytes changed, a part taken out or repeated, or the end cut off; of an archive also inside a file of it."""
    if content.startswith(b"PK") and chance.random() < 0.7:
        return with_mutated_member(content, chance)
    found = bytearray(content)
    start, length = chance.randrange(len(found)), chance.randrange(1, 200)
    kind = chance.randrange(4)
    if kind == 0:
        return bytes(found[:start])
    if kind == 1:
        del found[start : start + length]
    elif kind == 2:
        found[start:start] = found[start : start + length]
    for _ in range(chance.randrange(1, 20) if found else 0):
        found[chance.randrange(len(found))] = chance.randrange(256)
    return bytes(found)


def with_mutated_member(content: bytes, chance: random.Random) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(content)) as old, zipfile.ZipFile(out, "w") as new:
        chosen = chance.choice(old.namelist())
        for name in old.namelist():
            member = old.read(name)
            new.writestr(name, mutated(member, chance) if name == chosen and member else member)
    return out.getvalue()


@pytest.mark.parametrize("suffix", ORIGINALS)
def test_a_thousand_damaged_files_are_read_or_rejected(tmp_path: Path, suffix: str) -> None:
    original = ORIGINALS[suffix]()
    chance = random.Random(suffix)  # noqa: S311 - the same files in every run
    for number in range(COUNT):
        (tmp_path / f"{number:04}.{suffix}").write_bytes(mutated(original, chance) or b"?")
    (tmp_path / f"z.{suffix}").write_bytes(original)
    reader = RecordReader([tmp_path])
    files = {item.place.partition(f".{suffix}")[0].rpartition("/")[2]: item for item in reader}
    assert len(files) + reader.skipped.total() >= COUNT  # JSON of which no text is left is left out
    assert isinstance(files["z"], Record)

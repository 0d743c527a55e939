"""qdrant-edge on a disk that is full, or nearly: a message before anything is written, and searches go on."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from conftest import HANG_SECONDS
from embed_plugin.errors import TargetError
from embed_plugin.ingest import Chunk, open_sink
from embed_plugin.ingest.stores.qdrant.edge import disk_room
from embed_plugin.testing import FakeEncoder
from support.small_disk import on_small_disk

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

ENCODER = FakeEncoder()
KILLED = """
import os, sys
from embed_plugin import Encoder
from embed_plugin.ingest import Record, ingest, open_sink
sink = open_sink(sys.argv[1], "c")
ingest([Record(str(number), "the cat sat") for number in range(300)], Encoder.load(sys.argv[2]), sink)
os.kill(os.getpid(), 9)
"""


@pytest.fixture
def place(tmp_path: Path, tiny_model: Callable[..., Path]) -> tuple[str, ...]:
    return ("--model", str(tiny_model()), "--to", f"edge:{tmp_path / 'disk' / 'store'}", "--collection", "c")


@pytest.fixture
def notes(tmp_path: Path) -> Path:
    folder = tmp_path / "notes"
    folder.mkdir()
    for number in range(40):
        (folder / f"{number}.txt").write_text(f"note {number} the cat sat on the mat")
    return folder


def command(*arguments: str | Path) -> list[str]:
    return [sys.executable, "-m", "embed_plugin.cli", *map(str, arguments)]


@pytest.mark.parametrize("left", [200_000, 8_000_000])
def test_a_full_disk_is_said_before_a_write_and_what_is_stored_is_found(
    left: int, tmp_path: Path, notes: Path, place: tuple[str, ...]
) -> None:
    first, more = command("ingest", notes / "1.txt", *place), command("ingest", notes, *place)
    search = command("search", "the cat", *place)
    done = on_small_disk(tmp_path / "disk", 64, first, left, search, more, search, timeout=6 * HANG_SECONDS)
    assert [one.status for one in done] == [0, 0, 1, 0]
    assert f"the disk of {tmp_path / 'disk' / 'store'} has {left / 1e6:.1f} MB free, and " in done[2].stderr
    assert "Make room, and run the same command again" in done[2].stderr


def test_a_collection_is_not_begun_on_a_disk_without_room(tmp_path: Path, notes: Path, place: tuple[str, ...]) -> None:
    made = [sys.executable, "-c", "import os, sys; print(os.listdir(sys.argv[1]))", str(tmp_path / "disk")]
    steps = (9_000_000, command("ingest", notes, *place), made)
    refused, there = on_small_disk(tmp_path / "disk", 64, *steps, timeout=4 * HANG_SECONDS)
    assert refused.status == 1
    assert "has 9.0 MB free, and" in refused.stderr
    assert there.stdout == "['filler']\n"


def test_after_a_kill_a_full_disk_is_said_and_with_room_all_is_there(tmp_path: Path, place: tuple[str, ...]) -> None:
    killed = [sys.executable, "-c", KILLED, place[3], place[1]]
    search = command("search", "the cat", *place)
    done = on_small_disk(tmp_path / "disk", 64, killed, 30_000, search, None, search, timeout=4 * HANG_SECONDS)
    assert [one.status for one in done] == [-9, 1, 0]
    assert "Make room, and run the same command again" in done[1].stderr


def test_room_is_asked_for_before_each_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of any file system; it is the free room that is made up."""
    with open_sink(f"edge:{tmp_path / 'store'}", "c") as sink:
        sink.prepare(ENCODER)
        chunks = [Chunk("a", 0, 1, "one", {}, "m", "r", 3)]
        sink.upsert(chunks, ENCODER.encode_documents(["one"]))
        monkeypatch.setattr(disk_room.DiskRoom, "free", lambda _: disk_room.SPARE)
        for write in (
            lambda: sink.upsert(chunks, ENCODER.encode_documents(["one"])),
            lambda: sink.set_metadata(chunks),
        ):
            with pytest.raises(TargetError, match=r"8\.4 MB free, and .* MB are needed"):
                write()
        sink.drop()
        with pytest.raises(TargetError, match=r"8\.4 MB free, and .* MB are needed"):
            sink.prepare(ENCODER)


def test_a_file_without_holes_is_reserved_in_memory_alone(tmp_path: Path) -> None:
    """Elsewhere a hole that is read takes no room."""
    with open_sink(f"edge:{tmp_path / 'store'}", "c") as sink:
        sink.prepare(ENCODER)
        sink.upsert([Chunk("a", 0, 1, "one", {}, "m", "r", 3)], ENCODER.encode_documents(["one"]))
    vectors = next(tmp_path.glob("store/c/shard/segments/*/vector_storage/vectors/chunk_0.mmap"))
    in_memory = disk_room._file_system(tmp_path) == "tmpfs"
    assert (vectors.stat().st_blocks * 512 >= vectors.stat().st_size) == in_memory

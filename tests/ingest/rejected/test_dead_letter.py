from __future__ import annotations

import errno
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import OutputError
from embed_plugin.ingest import DeadLetterFile, Record, Rejected, retrying
from embed_plugin.ingest.read.source_files import SourceFile

if TYPE_CHECKING:
    from embed_plugin.ingest import JSON

LETTER = Rejected("a.txt:1: bad. Mend it", "a.txt:1", "a.txt", 3, {"text": "caf\udce9"})


def test_the_file_is_made_with_the_first_rejection_and_holds_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    with DeadLetterFile(path) as file:
        file.write([])
        assert not path.exists()
        file.write([LETTER, Rejected("gone", "b")])
        assert file.count == 2
    first, second = (json.loads(line) for line in path.read_text("ascii").splitlines())
    assert first == {
        "source_name": "",
        "source": "a.txt",
        "chunk": 3,
        "stored": None,
        "place": "a.txt:1",
        "reason": "a.txt:1: bad. Mend it",
        "record": {"text": "caf\udce9"},
    }
    assert (second["source"], second["record"]) == (None, None)


def test_what_is_there_stays_and_half_a_line_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    with DeadLetterFile(path) as file:
        file.write([LETTER])
    path.write_bytes(path.read_bytes() + b'{"source": "hal')
    with DeadLetterFile(path) as file:
        file.write([Rejected("bad", "b")])
    whole, half, next_one = path.read_text().splitlines()
    assert [json.loads(line)["place"] for line in (whole, next_one)] == ["a.txt:1", "b"]
    assert half == '{"source": "hal'


def test_what_was_written_survives_a_kill(tmp_path: Path) -> None:
    code = f"""
import os, signal
from pathlib import Path
from embed_plugin.ingest import DeadLetterFile, Rejected
file = DeadLetterFile(Path({str(tmp_path / "dead.jsonl")!r}))
for number in range(3):
    file.write([Rejected("bad", str(number))])
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", code], check=False, timeout=120)
    assert done.returncode == -signal.SIGKILL
    lines = (tmp_path / "dead.jsonl").read_text().splitlines()
    assert [json.loads(line)["place"] for line in lines] == ["0", "1", "2"]


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a full disk, which Linux has")
def test_a_full_disk_is_said_with_what_to_do() -> None:
    with (
        DeadLetterFile(Path("/dev/full")) as file,
        pytest.raises(OutputError, match=r"/dev/full: cannot write down what was rejected \(No space left on device\)"),
    ):
        file.write([LETTER])


def test_a_write_that_fails_half_way_leaves_no_half_line(tmp_path: Path) -> None:
    code = f"""
import resource, signal
from pathlib import Path
from embed_plugin.errors import OutputError
from embed_plugin.ingest import DeadLetterFile, Rejected
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
file = DeadLetterFile(Path({str(tmp_path / "dead.jsonl")!r}))
file.write([Rejected("bad", "first")])
try:
    file.write([Rejected("x" * 2000, "second")])
except OutputError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", code], check=True, timeout=120, capture_output=True, text=True)
    assert "File too large" in done.stdout
    assert [json.loads(line)["place"] for line in (tmp_path / "dead.jsonl").read_text().splitlines()] == ["first"]


def test_a_folder_that_is_not_there_is_said(tmp_path: Path) -> None:
    with DeadLetterFile(tmp_path / "no/dead.jsonl") as file, pytest.raises(OutputError, match="No such file"):
        file.write([LETTER])


def test_those_rejected_again_replace_the_file(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_text("old\n")
    with retrying(path) as again:
        again.write([LETTER])
        assert path.read_text() == "old\n"
    assert json.loads(path.read_text())["place"] == "a.txt:1"
    assert list(tmp_path.iterdir()) == [path]


def test_the_file_goes_when_none_is_rejected_again_and_stays_when_the_run_fails(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    path.write_text("old\n")
    with pytest.raises(KeyboardInterrupt), retrying(path) as again:  # noqa: PT012 - it is about what comes in between
        again.write([LETTER])
        raise KeyboardInterrupt
    assert [file.read_text() for file in tmp_path.iterdir()] == ["old\n"]
    with retrying(path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_lines_are_on_the_disk_when_write_returns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "dead.jsonl"
    synced: list[tuple[bool, str]] = []

    def fsync(descriptor: int) -> None:
        is_it = os.path.samestat(os.fstat(descriptor), path.stat())
        synced.append((is_it, path.read_text()))

    monkeypatch.setattr(os, "fsync", fsync)
    with DeadLetterFile(path) as file:
        for count in (1, 2):
            file.write([LETTER])
            assert synced[count - 1 :] == [(True, path.read_text())]
            assert path.read_text().count("\n") == count


def places(path: Path) -> list[str]:
    return [json.loads(line)["place"] for line in path.read_text().splitlines()]


def of(name: str, source_id: str | None, number: int | None = None) -> Rejected:
    """A line of a file in the source ``docs`` that could not be read."""
    record: dict[str, JSON] = {"line": "bad", "path": name, "name": name, "number": number}
    return Rejected("bad", f"{name}:{number}", source_id, record=record, source_name="docs")


def stored(source_id: str, file: str, number: int, source_name: str = "docs") -> Record:
    return Record(source_id, "good", source_name=source_name, file=file, place=f"x/{file}:{number}")


@pytest.fixture
def earlier(tmp_path: Path) -> Path:
    """A dead-letter file of an earlier run."""
    with DeadLetterFile(tmp_path / "dead.jsonl") as file:
        file.write([of("a.jsonl", "a", 1), of("a.jsonl", None, 2), of("b.jsonl", None, 2)])
    return tmp_path / "dead.jsonl"


def test_the_letters_of_records_that_are_stored_now_go_and_all_others_stay(earlier: Path) -> None:
    with DeadLetterFile(earlier) as file:
        file.settle(stored("a", "a.jsonl", 7))
        file.settle(stored("b", "a.jsonl", 2))
        file.settle(stored("a", "b.jsonl", 2, source_name="other"))
        assert len(places(earlier)) == 3
    assert places(earlier) == ["b.jsonl:2"]
    with DeadLetterFile(earlier) as file:
        file.settle(stored("c", "b.jsonl", 2))
    assert not list(earlier.parent.iterdir())


def test_a_letter_that_is_written_again_replaces_the_earlier_one(earlier: Path) -> None:
    with DeadLetterFile(earlier) as file:
        file.write([of("b.jsonl", None, 2), of("a.jsonl", "a", 5)])
        file.settle(stored("a", "a.jsonl", 1))  # an id that is used twice is stored and rejected in one run
    assert places(earlier) == ["a.jsonl:2", "b.jsonl:2", "a.jsonl:5"]


def test_lines_that_are_gone_from_a_file_are_settled_when_it_was_read_to_its_end(earlier: Path) -> None:
    with DeadLetterFile(earlier) as file:
        file.settle_file(SourceFile(Path("x/a.jsonl"), "a.jsonl", "jsonl", "docs"))
        file.settle_file(SourceFile(Path("x/b.jsonl"), "b.jsonl", "jsonl", "other"))
    assert places(earlier) == ["b.jsonl:2"]


def test_a_folder_that_could_not_be_listed_is_settled_when_a_file_in_it_is_read(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    where: dict[str, JSON] = {"path": "/docs", "folder": ""}
    locked = [Rejected("locked", place, record=where, source_name="docs") for place in ("d/a", "d/b")]
    with DeadLetterFile(path) as file:
        file.write(locked)
    with DeadLetterFile(path) as file:
        file.settle_file(SourceFile(Path("d/a/deep/x.txt"), "a/deep/x.txt", "text", "docs"))
    assert places(path) == ["d/b"]


def test_letters_of_stdin_and_of_no_file_go_when_they_are_the_same(tmp_path: Path) -> None:
    path = tmp_path / "dead.jsonl"
    same, other = of("stdin", None, 1), replace(of("stdin", None, 1), record={"line": "other", "name": "stdin"})
    folder = Rejected("locked", "docs/x", record={"path": "docs", "folder": ""})
    for rejected in ([same, folder], [same, folder], [other]):
        with DeadLetterFile(path) as file:
            file.write(rejected)
    assert places(path) == ["stdin:1", "docs/x", "stdin:1"]


def test_a_run_that_fails_drops_nothing(earlier: Path) -> None:
    before = earlier.read_bytes()
    with pytest.raises(KeyboardInterrupt), DeadLetterFile(earlier) as file:  # noqa: PT012 - the exception is the subject
        file.settle(stored("a", "a.jsonl", 1))
        raise KeyboardInterrupt
    assert earlier.read_bytes() == before


def test_a_full_disk_while_letters_are_dropped_leaves_the_file_as_it_was(
    earlier: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = earlier.read_bytes()

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.raises(OutputError, match="cannot drop what is mended"), DeadLetterFile(earlier) as file:  # noqa: PT012
        file.settle(stored("a", "a.jsonl", 1))
        monkeypatch.setattr(os, "fsync", full)
    assert [each.read_bytes() for each in earlier.parent.iterdir()] == [before]


def test_what_another_process_appends_is_never_lost(earlier: Path) -> None:
    with DeadLetterFile(earlier) as other:
        with DeadLetterFile(earlier) as file:
            file.settle(stored("a", "a.jsonl", 1))
            other.write([LETTER])
        assert places(earlier) == ["a.jsonl:1", "a.jsonl:2", "b.jsonl:2", "a.txt:1"]  # for the next run
        with retrying(earlier):
            other.write([LETTER])
    assert places(earlier)[3:] == ["a.txt:1"] * 2


def test_what_was_appended_while_letters_are_tried_again_stays(earlier: Path) -> None:
    with retrying(earlier) as again:
        again.write([LETTER])
        with DeadLetterFile(earlier) as other:
            other.write([Rejected("bad", "new")])
    assert places(earlier) == ["a.txt:1", "new"]


def test_a_file_that_is_removed_while_its_lock_is_waited_for_is_made_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "dead.jsonl"
    removals = iter([path.unlink, lambda: None])
    monkeypatch.setattr("embed_plugin.ingest.rejected.dead_letter.share", lambda _: next(removals)())
    with DeadLetterFile(path) as file:
        file.write([LETTER])
    assert places(path) == ["a.txt:1"]

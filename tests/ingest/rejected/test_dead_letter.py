from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from embed_plugin.errors import OutputError
from embed_plugin.ingest import DeadLetterFile, Rejected, retrying

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

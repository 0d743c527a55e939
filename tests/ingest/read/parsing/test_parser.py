"""The parser process: its limits, its end, and the files after one that fails in it."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
import threading
import time
import zipfile
from contextlib import closing, suppress
from typing import TYPE_CHECKING

import pytest

from conftest import HANG_SECONDS
from embed_plugin.ingest import ReaderSettings, Record, RecordReader, Rejected
from embed_plugin.ingest.read.parsing.parser import FileParser
from embed_plugin.ingest.read.source_files import SourceFile
from support.documents import book, pdf, word

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

BODY = b'<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:body>'


def bomb(megabytes: int) -> bytes:
    """A DOCX whose text is this long, and which is a thousandth of that as a file."""
    out = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(word())) as old, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as new:
        for name in old.namelist():
            if name != "word/document.xml":
                new.writestr(name, old.read(name))
        with new.open("word/document.xml", "w") as stream:
            stream.write(BODY)
            for _ in range(megabytes):
                stream.write(b"<w:p><w:r><w:t>cat</w:t></w:r></w:p>" * 29_000)
            stream.write(b"</w:body></w:document>")
    return out.getvalue()


def file_of(folder: Path, name: str, content: bytes) -> SourceFile:
    (folder / name).write_bytes(content)
    return SourceFile(folder / name, name, name.rpartition(".")[2])


@pytest.fixture
def parser() -> Iterator[FileParser]:
    with closing(FileParser(ReaderSettings())) as made:
        yield made


def is_running(pid: int) -> bool:
    """A process that has ended and was not waited for is a zombie."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as stream:  # noqa: PTH123
            return stream.read().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def wait_for_end(pid: int) -> None:
    last = time.monotonic() + HANG_SECONDS
    while is_running(pid) and time.monotonic() < last:
        time.sleep(0.02)
    assert not is_running(pid)


def test_one_process_reads_all_files_and_ends_with_the_run(tmp_path: Path, parser: FileParser) -> None:
    parser.read(file_of(tmp_path, "a.pdf", pdf("one")))
    first = parser.pid
    (record,) = parser.read(file_of(tmp_path, "b.pdf", pdf("two")))
    assert isinstance(record, Record)
    assert record.text == "two"
    assert first is not None
    assert parser.pid == first
    parser.close()
    assert not is_running(first)


def test_a_run_without_documents_starts_no_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text("cat")
    monkeypatch.setattr(subprocess, "Popen", None)
    assert [item.source_id for item in RecordReader([tmp_path])] == ["a.txt"]


def test_a_file_that_takes_too_long_is_rejected_and_the_next_is_read(tmp_path: Path) -> None:
    (tmp_path / "a.docx").write_bytes(bomb(60))
    (tmp_path / "b.txt").write_text("cat")
    slow, text = RecordReader([tmp_path], settings=ReaderSettings(max_parse_seconds=0.2))
    assert isinstance(slow, Rejected)
    assert "a.docx: reading it took longer than 0.2 seconds. Allow more with --max-parse-seconds" in slow.reason
    assert slow.source_id == "a.docx"  # mirror keeps what is stored of it
    assert isinstance(text, Record)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
@pytest.mark.parametrize("megabytes", [50, 150, 300])
def test_a_file_that_needs_too_much_memory_is_rejected_and_the_next_is_read(tmp_path: Path, megabytes: int) -> None:
    (tmp_path / "a.docx").write_bytes(bomb(60))
    (tmp_path / "b.docx").write_bytes(word())
    big, small = RecordReader([tmp_path], settings=ReaderSettings(max_parse_bytes=megabytes * 2**20))
    assert isinstance(big, Rejected)
    assert f"a.docx: reading it needs more than {megabytes} MB. Allow more with --max-parse-mb" in big.reason
    assert isinstance(small, Record)


@pytest.mark.skipif(sys.platform != "linux", reason="memory is limited on Linux alone")
def test_a_damaged_file_after_a_large_one_is_not_said_to_be_large(tmp_path: Path) -> None:
    large = file_of(tmp_path, "a.docx", bomb(4))
    damaged = file_of(tmp_path, "b.docx", word()[:2000])
    with closing(FileParser(ReaderSettings(max_parse_bytes=250 * 2**20))) as parser:
        assert isinstance(parser.read(large)[0], Record)
        (rejected,) = parser.read(damaged)
    assert isinstance(rejected, Rejected)
    assert "b.docx: cannot be read as docx (BadZipFile" in rejected.reason


def test_a_process_that_was_killed_between_two_files_is_started_anew(tmp_path: Path, parser: FileParser) -> None:
    file = file_of(tmp_path, "a.pdf", pdf("one"))
    parser.read(file)
    assert parser.pid is not None
    os.kill(parser.pid, signal.SIGKILL)
    (record,) = parser.read(file)
    assert isinstance(record, Record)


def test_a_file_whose_parser_crashes_is_rejected_and_the_next_is_read(tmp_path: Path, parser: FileParser) -> None:
    slow = file_of(tmp_path, "a.docx", bomb(60))
    found: list[Record | Rejected] = []
    reading = threading.Thread(target=lambda: found.extend(parser.read(slow)))
    reading.start()
    while reading.is_alive():  # also the one that is started instead
        with suppress(ProcessLookupError, TypeError):  # it is between two processes
            os.kill(parser.pid, signal.SIGKILL)  # type: ignore[arg-type]
        reading.join(0.05)
    (rejected,) = found
    assert isinstance(rejected, Rejected)
    assert "a.docx: its parser ended (exit code -9), perhaps because it needed more than 1,024 MB" in rejected.reason
    assert isinstance(parser.read(file_of(tmp_path, "b.pdf", pdf("two")))[0], Record)


def test_a_module_in_the_working_folder_is_not_executed(
    tmp_path: Path, parser: FileParser, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("docx.py", "zipfile.py", "json.py"):
        (tmp_path / name).write_text(f"open({str(tmp_path / 'executed')!r}, 'w')")
    monkeypatch.chdir(tmp_path)
    (record,) = parser.read(file_of(tmp_path, "a.docx", word()))
    assert isinstance(record, Record)
    assert not (tmp_path / "executed").exists()


RUN = """
import sys, threading, time
from pathlib import Path
from embed_plugin.ingest import ReaderSettings
from embed_plugin.ingest.read.parsing.parser import FileParser
from embed_plugin.ingest.read.source_files import SourceFile
parser = FileParser(ReaderSettings())
parser.read(SourceFile(Path(sys.argv[1]), "a", "epub"))
print(parser.pid, flush=True)
parser.read(SourceFile(Path(sys.argv[2]), "a", "docx"))
time.sleep(1000)
"""


@pytest.mark.skipif(not os.path.exists("/proc/self/stat"), reason="needs /proc to find a process that is left")  # noqa: PTH110
@pytest.mark.parametrize("is_busy", [False, True], ids=["idle", "busy"])
def test_no_process_is_left_when_the_run_is_killed(tmp_path: Path, *, is_busy: bool) -> None:
    (tmp_path / "a.epub").write_bytes(book("<p>x</p>"))
    (tmp_path / "a.docx").write_bytes(bomb(100) if is_busy else word())
    command = [sys.executable, "-c", RUN, str(tmp_path / "a.epub"), str(tmp_path / "a.docx")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as run:
        assert run.stdout is not None
        pid = int(run.stdout.readline())
        assert is_running(pid)
        run.kill()
    wait_for_end(pid)

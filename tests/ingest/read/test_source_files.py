from __future__ import annotations

import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import ReaderSettings, RecordReader, Rejected
from embed_plugin.ingest.ids import record_key

if TYPE_CHECKING:
    from collections.abc import Iterator


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    return folder


def ids(folder: Path, **settings: tuple[str, ...]) -> list[str | None]:
    return [item.source_id for item in RecordReader([folder], settings=ReaderSettings(**settings))]  # type: ignore[arg-type]


@contextmanager
def unprivileged() -> Iterator[None]:
    """Permissions hold for root as well: the tests may run as root."""
    was = os.geteuid()
    if was == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(was)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that every user may look into; pytest's own may not be."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_files_left_out_of_a_folder_are_counted_by_suffix(tmp_path: Path) -> None:
    fill(tmp_path, "image.png", "b/photo.PNG", "Makefile", "a.txt")
    os.mkfifo(tmp_path / "pipe.txt")
    reader = RecordReader([tmp_path])
    assert [item.source_id for item in reader] == ["a.txt"]
    assert reader.skipped.counts == {"other suffix": {".png": 2, "": 1}, "not a regular file": {".txt": 1}}
    assert reader.skipped.total() == 4


def test_each_thing_that_is_left_out_is_named_with_its_reason(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", ".git/config", ".hidden", "b.png", "deep/c.csv", "deep/no.txt", "drafts/x.txt")
    (tmp_path / "deep/.embedignore").write_text("no.txt\n")
    (tmp_path / "deep/back").symlink_to(tmp_path)
    found: list[tuple[str, str]] = []
    settings = ReaderSettings(format="text", exclude=("drafts/",))
    assert len(list(RecordReader([tmp_path], settings=settings, on_skipped=found.append))) == 1
    assert found == [
        (".git/", "hidden"),
        (".hidden", "hidden"),
        ("b.png", "other suffix"),
        ("deep/back/", "link to a folder around it"),
        ("deep/c.csv", "other format"),
        ("deep/no.txt", "excluded"),
        ("drafts/", "excluded"),
    ]
    reader = RecordReader([tmp_path / "drafts"], settings=ReaderSettings(include=("*.md",)))
    assert (list(reader), reader.skipped.counts) == ([], {"not included": {".txt": 1}})


def test_a_symlink_to_a_folder_around_it_is_not_followed(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "inner/b.txt")
    (tmp_path / "inner/back").symlink_to(tmp_path)
    assert ids(tmp_path) == ["a.txt", "inner/b.txt"]


def test_a_symlink_to_another_folder_is_followed(tmp_path: Path) -> None:
    fill(tmp_path, "docs/x.txt", "other/a.txt")
    (tmp_path / "docs/linked").symlink_to(tmp_path / "other")
    assert ids(tmp_path / "docs") == ["linked/a.txt", "x.txt"]


@pytest.mark.parametrize(
    ("target", "says"), [("self.txt", "symbolic links"), ("nowhere", "leads nowhere (No such file")]
)
def test_a_symlink_to_itself_or_to_nothing_is_rejected_and_reading_goes_on(
    tmp_path: Path, target: str, says: str
) -> None:
    fill(tmp_path, "z.txt")
    (tmp_path / "self.txt").symlink_to(tmp_path / target)
    reader = RecordReader([tmp_path])
    rejected, record = reader
    assert isinstance(rejected, Rejected)
    assert (says in rejected.reason, rejected.place) == (True, str(tmp_path / "self.txt"))
    assert (rejected.source_id, record.source_id) == (None, "z.txt")


@pytest.mark.parametrize("excluded", ["archive", "archive/", "arch*"])
def test_a_link_to_a_folder_that_is_away_is_rejected_unless_it_is_excluded(tmp_path: Path, excluded: str) -> None:
    fill(tmp_path, "a.txt")
    (tmp_path / "archive").symlink_to(tmp_path / "nowhere")
    (tmp_path / ".hidden").symlink_to(tmp_path / "nowhere")
    _, rejected = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert (rejected.source_id, rejected.place) == (None, str(tmp_path / "archive"))
    assert "leads nowhere (No such file or directory). Mend it, or leave it out with --exclude" in rejected.reason
    assert ids(tmp_path, exclude=(excluded,)) == ["a.txt"]
    (tmp_path / ".embedignore").write_text(excluded)
    assert ids(tmp_path) == ["a.txt"]


def test_a_link_to_itself_and_one_to_where_nobody_may_look_are_rejected(open_folder: Path) -> None:
    fill(open_folder, "docs/a.txt", "closed/inner/b.txt")
    (open_folder / "docs/loop").symlink_to("loop")
    (open_folder / "docs/inner").symlink_to(open_folder / "closed/inner")
    (open_folder / "closed").chmod(0)
    with unprivileged():
        _, closed, loop = RecordReader([open_folder / "docs"])
    (open_folder / "closed").chmod(0o700)
    assert isinstance(closed, Rejected)
    assert isinstance(loop, Rejected)
    assert "inner: a link that leads nowhere (Permission denied)" in closed.reason
    assert "loop: a link that leads nowhere (Too many levels of symbolic links)" in loop.reason


def test_a_file_that_vanishes_after_it_was_listed_is_rejected(tmp_path: Path) -> None:
    reader = RecordReader([fill(tmp_path, "a.txt", "b.txt", "c.txt")])
    items = iter(reader)
    next(items)
    (tmp_path / "b.txt").unlink()
    gone, there = items
    assert isinstance(gone, Rejected)
    assert gone.record == {"path": str(tmp_path / "b.txt"), "name": "b.txt"}
    assert (gone.source_id, there.source_id) == (None, "c.txt")


def test_a_folder_that_vanishes_after_it_was_listed_is_rejected(tmp_path: Path) -> None:
    reader = RecordReader([fill(tmp_path, "a.txt", "b/b.txt", "c.txt")])
    items = iter(reader)
    next(items)
    (tmp_path / "b/b.txt").unlink()
    (tmp_path / "b").rmdir()
    gone, there = items
    assert isinstance(gone, Rejected)
    assert gone.reason.startswith(f"{tmp_path}/b: cannot list the folder (No such file or directory)")
    assert (gone.record, gone.source_id, there.source_id) == ({"path": str(tmp_path), "folder": ""}, None, "c.txt")


def test_a_folder_and_a_file_without_permission_are_rejected(open_folder: Path) -> None:
    fill(open_folder, "a.txt", "b/b.txt", "c.txt")
    (open_folder / "a.txt").chmod(0)
    (open_folder / "b").chmod(0)
    reader = RecordReader([open_folder])
    with unprivileged():
        file, folder, record = reader
    (open_folder / "b").chmod(0o700)
    assert isinstance(file, Rejected)
    assert isinstance(folder, Rejected)
    assert "a.txt: cannot be read (Permission denied). Check it and its permissions" in file.reason
    assert "b: cannot list the folder (Permission denied)" in folder.reason
    assert (file.source_id, folder.source_id, record.source_id) == (None, None, "c.txt")


@pytest.mark.skipif(not Path("/proc/self/mem").exists(), reason="needs a file that fails, which Linux has")
def test_a_file_that_fails_while_it_is_read_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.txt").symlink_to("/proc/self/mem")  # reading its first byte is an input/output error
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "a.txt: cannot be read (Input/output error)" in rejected.reason


def test_a_file_name_that_is_no_text_is_rejected(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/caf\xe9.txt")).write_text("x")
    (rejected,) = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert "lone surrogate" in rejected.reason


def test_excluded_files_and_folders_are_left_out(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "build/b.txt", "deep/build/c.txt", "deep/draft-1.md", "keep/draft-2.md")
    excluded = ("build/", "draft-*", "!keep/draft-2.md")
    assert ids(tmp_path, exclude=excluded) == ["a.txt", "keep/draft-2.md"]


def test_included_files_are_read_whatever_their_suffix_and_no_others(tmp_path: Path) -> None:
    fill(tmp_path, "a.txt", "b.log", "deep/c.log", "deep/d.LOG.1")
    assert ids(tmp_path, include=("*.log",)) == ["b.log", "deep/c.log"]
    assert ids(tmp_path, include=("*.log",), exclude=("deep/",)) == ["b.log"]


def test_ignore_files_hold_for_their_folder_and_the_inner_one_decides(tmp_path: Path) -> None:
    fill(tmp_path, "a.md", "b.txt", "deep/a.md", "deep/b.txt", "other/a.md", "secret/a.txt")
    (tmp_path / ".embedignore").write_text("# drafts\n*.md\nsecret/\n")
    (tmp_path / "deep/.embedignore").write_text("!a.md\n/b.txt\n")
    assert ids(tmp_path) == ["b.txt", "deep/a.md"]


@pytest.mark.parametrize("content", [b"\xff\n", b"*.md\n!"])
def test_a_folder_whose_ignore_file_cannot_be_read_is_not_read(tmp_path: Path, content: bytes) -> None:
    fill(tmp_path, "a.txt", "secret/b.txt")
    (tmp_path / "secret/.embedignore").write_bytes(content)
    record, rejected = RecordReader([tmp_path])
    assert isinstance(rejected, Rejected)
    assert rejected.reason.startswith(f"{tmp_path}/secret: cannot list the folder")
    assert record.source_id == "a.txt"


def test_a_pattern_that_is_none_is_refused_at_once() -> None:
    with pytest.raises(InvalidInputError, match=r"the patterns to exclude: .*Write it as in \.gitignore"):
        ReaderSettings(exclude=("!",))


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16"])
def test_an_ignore_file_with_a_byte_order_mark_keeps_its_first_pattern(tmp_path: Path, encoding: str) -> None:
    fill(tmp_path, "private.txt", "open.txt", "page\x0cbreak.txt")
    (tmp_path / ".embedignore").write_bytes("private.txt\r\npage\x0cbreak.txt".encode(encoding))
    assert ids(tmp_path) == ["open.txt"]


def test_a_name_is_the_same_record_however_its_accents_are_written(tmp_path: Path) -> None:
    composed, decomposed = "caf\u00e9", "cafe\u0301"
    for form in (composed, decomposed):
        folder = tmp_path / form / form
        folder.mkdir(parents=True)
        (folder / f"{form}.txt").write_text("one")
    found = [item for form in (composed, decomposed) for item in RecordReader([tmp_path / form])]
    assert {item.key for item in found} == {record_key(composed, f"{composed}/{composed}.txt")}

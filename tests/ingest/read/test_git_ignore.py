from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import IngestSettings, ReaderSettings, RecordReader, ingest, open_sink
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A work tree with ignored files and a folder with rules of its own."""
    files = {
        ".git/info/exclude": "private.txt\n",
        ".gitignore": "/build/\n*.txt\n!kept.txt\n# a comment\n",
        "guide/.gitignore": "!notes.txt\ndraft.md\n",
    }
    texts = (
        "a.md a.txt kept.txt private.txt build/b.md guide/build/c.md guide/notes.txt guide/draft.md guide/deep/draft.md"
    )
    for name, content in {**files, **dict.fromkeys(texts.split(), "cat")}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(content)
    return tmp_path


def names(path: Path, **settings: bool) -> list[str]:
    return [str(item.source_id) for item in RecordReader([path], settings=ReaderSettings(**settings))]  # type: ignore[arg-type]


def test_what_git_ignores_is_left_out_and_counted(tree: Path) -> None:
    reader = RecordReader([tree])
    assert [item.source_id for item in reader] == ["a.md", "guide/build/c.md", "guide/notes.txt", "kept.txt"]
    assert reader.skipped.counts["ignored by git"] == {".txt": 2, ".md": 2, "": 1}  # build/ as a whole


def test_the_rules_above_a_named_folder_hold_in_it(tree: Path) -> None:
    (tree / "guide" / "other.txt").write_text("cat")
    assert names(tree / "guide") == ["build/c.md", "notes.txt"]


def test_a_named_folder_is_read_though_git_ignores_it(tree: Path) -> None:
    assert names(tree / "build") == ["b.md"]


def test_a_named_file_is_read_though_git_ignores_it(tree: Path) -> None:
    assert names(tree / "a.txt") == ["a.txt"]


def test_git_can_be_left_aside(tree: Path) -> None:
    assert len(names(tree, gitignore=False)) == 9


def test_embedignore_has_the_last_word(tree: Path) -> None:
    (tree / ".embedignore").write_text("!a.txt\nkept.txt\n")
    assert names(tree) == ["a.md", "a.txt", "guide/build/c.md", "guide/notes.txt"]


def test_outside_a_work_tree_gitignore_files_mean_nothing(tree: Path) -> None:
    (tree / ".git").rename(tree / "git")
    assert len(names(tree)) == 9


def test_a_work_tree_in_another_folder_has_its_own_rules_alone(tree: Path) -> None:
    (tree / "guide" / ".git").write_text("gitdir: elsewhere")  # as in a submodule
    (tree / "guide" / "other.txt").write_text("cat")
    assert "guide/other.txt" in names(tree)
    assert "guide/draft.md" not in names(tree)


def test_lines_that_are_no_patterns_are_passed_over_as_git_does(tree: Path) -> None:
    (tree / "guide" / ".gitignore").write_bytes(b"!\n\xff\xfe\ndraft.md\n")
    assert "guide/draft.md" not in names(tree)


def test_mirror_removes_what_is_newly_ignored_under_its_guards(tree: Path) -> None:
    with open_sink(":memory:", "notes") as sink:
        ingest(RecordReader([tree]), FakeEncoder(), sink)
        (tree / ".gitignore").write_text("*.txt\n*.md\n!a.md\n")
        (tree / "guide" / ".gitignore").unlink()
        refused = ingest(
            RecordReader([tree]), FakeEncoder(), sink, settings=IngestSettings(mirror=True, max_delete_records=1)
        )
        assert refused.removed == 0
        assert "3 records" in str(refused.mirror_refused)
        allowed = ingest(
            RecordReader([tree]), FakeEncoder(), sink, settings=IngestSettings(mirror=True, max_delete=1.0)
        )
        assert allowed.removed == 3

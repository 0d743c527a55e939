from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import (
    IngestSettings,
    IngestSummary,
    QdrantSink,
    ReaderSettings,
    RecordReader,
    Shard,
    ingest,
)
from embed_plugin.ingest.sources import Coverage, Scope, scopes_of
from embed_plugin.testing import FakeEncoder
from support.every_target import KINDS, open_kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCODER = FakeEncoder()
MIRROR = IngestSettings(mirror=True, max_delete_records=1000)


@pytest.fixture(params=KINDS)
def sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[QdrantSink]:
    with open_kind(request.param, tmp_path / "store") as opened:
        yield opened


def fill(folder: Path, *names: str) -> Path:
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(f"text of {folder.name}/{name}")
    return folder


def take(
    sink: QdrantSink, *paths: Path | str, settings: IngestSettings | None = None, source: str | None = None
) -> IngestSummary:
    """Ingest paths; a rejection fails the test."""
    return ingest(RecordReader(paths, settings=ReaderSettings(source=source)), ENCODER, sink, settings=settings)


def stored(sink: QdrantSink) -> list[tuple[str, str]]:
    return sorted((chunk.source_name, chunk.source_id) for page in sink.scan() for chunk in page)


def test_two_folders_keep_records_of_one_name_apart_and_mirror_stays_in_its_own(
    sink: QdrantSink, tmp_path: Path
) -> None:
    a, b = fill(tmp_path / "a", "README.md", "x.txt"), fill(tmp_path / "b", "README.md", "y.txt")
    take(sink, a)
    assert take(sink, b).sources == {"new": 2}
    (a / "x.txt").unlink()
    assert take(sink, a, settings=MIRROR).removed == 1
    assert stored(sink) == [("a", "README.md"), ("b", "README.md"), ("b", "y.txt")]


def test_the_same_name_from_another_root_is_refused_before_anything_is_read_or_written(
    sink: QdrantSink, tmp_path: Path
) -> None:
    take(sink, fill(tmp_path / "one/docs", "a.txt"))
    before = stored(sink)
    with pytest.raises(InvalidInputError, match=r"source 'docs' already, from .*/one/docs.*--source NAME"):
        take(sink, fill(tmp_path / "two/docs", "a.txt", "b.txt"))
    assert stored(sink) == before
    take(sink, tmp_path / "two/docs", source="second")
    assert take(sink, tmp_path / "two/docs").sources == {"unchanged": 2}  # its root is known by now


@pytest.mark.parametrize("name", ["a/docs", "link", "a/../a/docs", "a/docs/", "./a/docs", "a/docs/sub/.."])
def test_a_folder_is_one_source_however_it_is_named(
    sink: QdrantSink, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    fill(tmp_path / "a/docs", "x.txt", "sub/y.txt")
    (tmp_path / "link").symlink_to(tmp_path / "a/docs")
    monkeypatch.chdir(tmp_path)
    take(sink, "a/docs")
    assert ingest(RecordReader([name]), ENCODER, sink, settings=MIRROR).removed == 0
    assert stored(sink) == [("docs", "sub/y.txt"), ("docs", "x.txt")]
    monkeypatch.chdir(tmp_path / "a/docs")
    take(sink, ".")
    assert len(stored(sink)) == 2


@pytest.mark.parametrize("paths", [["docs", "docs/sub"], ["docs/sub", "docs"], ["docs", "docs/sub/y.txt", "docs/"]])
def test_a_path_below_another_one_is_read_once(sink: QdrantSink, tmp_path: Path, paths: list[str]) -> None:
    fill(tmp_path / "docs", "x.txt", "sub/y.txt", "sub/deep/z.txt", "subs.txt")
    reader = RecordReader([tmp_path / path for path in paths])
    summary = ingest(reader, ENCODER, sink, settings=MIRROR)
    assert (summary.records, summary.sources, reader.skipped.total()) == (4, {"new": 4}, 0)
    assert {source for source, _ in stored(sink)} == {"docs"}


def test_what_a_folder_leaves_out_is_read_where_it_is_named_beside_it(sink: QdrantSink, tmp_path: Path) -> None:
    fill(tmp_path / "docs", "x.txt", "server.log", "private/y.txt")
    (tmp_path / "docs/.embedignore").write_text("private/\n")
    take(sink, tmp_path / "docs", tmp_path / "docs/server.log", tmp_path / "docs/private")
    assert stored(sink) == [("docs", "private/y.txt"), ("docs", "server.log"), ("docs", "x.txt")]


def test_the_order_of_paths_does_not_matter(sink: QdrantSink, tmp_path: Path) -> None:
    here = fill(tmp_path / "here", "a.txt", "b/c.txt", "d/e.txt")
    expected = [Scope("here", str(here), "a.txt"), Scope("b", str(here / "b")), Scope("d", str(here / "d"))]
    for paths in itertools.permutations([here / "a.txt", here / "b", here / "d"]):
        assert sorted(scopes_of(paths, {})) == sorted(expected)
    take(sink, here / "a.txt", here / "b")
    take(sink, here / "b", here / "a.txt", here / "b/c.txt")
    assert stored(sink) == [("b", "c.txt"), ("here", "a.txt")]


def test_two_folders_of_one_name_cannot_be_read_in_one_run(sink: QdrantSink, tmp_path: Path) -> None:
    paths = fill(tmp_path / "a/docs", "x.txt"), fill(tmp_path / "b/docs", "x.txt")
    with pytest.raises(InvalidInputError, match=r"b/docs and .*a/docs would both be the source 'docs'.*--source NAME"):
        take(sink, *paths)
    assert sink.collections() == []
    take(sink, *paths, source="both")
    assert stored(sink) == [("both", "a/docs/x.txt"), ("both", "b/docs/x.txt")]
    take(sink, paths[0], source="both", settings=MIRROR)
    assert len(stored(sink)) == 2


def test_a_file_below_a_known_root_updates_the_record_there_through_a_link_too(
    sink: QdrantSink, tmp_path: Path
) -> None:
    docs = fill(tmp_path / "docs", "sub/x.txt")
    (docs / "link.txt").symlink_to(fill(tmp_path / "elsewhere", "real.txt") / "real.txt")
    (docs / "linked").symlink_to(tmp_path / "elsewhere")
    take(sink, docs)
    for path in ("sub/x.txt", "sub", "link.txt", "linked", "linked/real.txt"):
        assert take(sink, docs / path).sources.keys() == {"unchanged"}, path


def test_a_folder_that_is_named_is_mirrored_below_itself_only(sink: QdrantSink, tmp_path: Path) -> None:
    docs = fill(tmp_path / "docs", "a.txt", "sub/b.txt", "sub/c.txt", "subs/d.txt", "sub.txt")
    take(sink, docs)
    for name in ("a.txt", "sub/b.txt", "subs/d.txt", "sub.txt"):
        (docs / name).unlink()
    assert take(sink, docs / "sub", settings=MIRROR).removed == 1
    assert [name for _, name in stored(sink)] == ["a.txt", "sub.txt", "sub/c.txt", "subs/d.txt"]


def test_a_file_of_records_with_ids_is_mirrored_within_itself(sink: QdrantSink, tmp_path: Path) -> None:
    def write(name: str, *ids: str) -> Path:
        # A path of their own, so that nothing but the file tells them apart.
        lines = [f'{{"id": "{one}", "text": "text {one}", "source": "mine"}}\n' for one in ids]
        (tmp_path / name).write_text("".join(lines))
        return tmp_path / name

    def take_ids(path: Path, settings: IngestSettings | None = None) -> IngestSummary:
        return ingest(RecordReader([path], settings=ReaderSettings(id_field="id")), ENCODER, sink, settings=settings)

    a, b = write("a.jsonl", "1", "2", "3"), write("b.jsonl", "4")
    take_ids(a)
    take_ids(b)
    write("a.jsonl", "1")
    write("b.jsonl", "3", "4")  # 3 has moved
    assert take_ids(b).metadata_only == 1
    assert take_ids(a, MIRROR).removed == 1
    assert [one for _, one in stored(sink)] == ["1", "3", "4"]


def test_a_source_that_has_moved_keeps_its_records_and_takes_its_new_root(sink: QdrantSink, tmp_path: Path) -> None:
    old = fill(tmp_path / "old/docs", "a.txt", "b.txt")
    take(sink, old)
    old.parent.rename(tmp_path / "new")
    new = tmp_path / "new/docs"
    with pytest.raises(InvalidInputError, match="has moved here, say --source docs"):
        take(sink, new)
    summary = take(sink, new, source="docs", settings=MIRROR)
    assert (summary.embedded, summary.removed, summary.metadata_only) == (0, 0, 2)  # their metadata has the path
    assert take(sink, new).sources == {"unchanged": 2}


def test_a_file_from_elsewhere_does_not_move_a_source(sink: QdrantSink, tmp_path: Path) -> None:
    docs = fill(tmp_path / "docs", "a.txt")
    take(sink, docs)
    take(sink, fill(tmp_path / "elsewhere", "b.txt") / "b.txt", source="docs")
    take(sink, docs)
    assert stored(sink) == [("docs", "a.txt"), ("docs", "b.txt")]
    assert sink.sources == {"docs": str(docs)}


def test_a_chosen_name_is_not_another_roots(sink: QdrantSink, tmp_path: Path) -> None:
    docs = fill(tmp_path / "docs", "a.txt")
    take(sink, docs)
    take(sink, docs, source="again")
    assert stored(sink) == [("again", "a.txt"), ("docs", "a.txt")]
    assert take(sink, docs / "a.txt").sources == {"unchanged": 1}  # of the source with the folder's own name
    assert len(stored(sink)) == 2


def test_each_shard_mirrors_its_own_part_of_its_own_source(sink: QdrantSink, tmp_path: Path) -> None:
    a, b = fill(tmp_path / "a", *map("{}.txt".format, range(8))), fill(tmp_path / "b", "0.txt")
    take(sink, b)
    take(sink, a)
    for number in range(1, 8):
        (a / f"{number}.txt").unlink()
    removed = [
        take(sink, a, settings=IngestSettings(mirror=True, max_delete_records=8, shard=Shard(number, 2)))
        for number in (1, 2)
    ]
    # The shard that reads no record removes nothing.
    assert stored(sink)[-1] == ("b", "0.txt")
    assert sum(one.removed for one in removed) + len(stored(sink)) == 9


def test_the_names_of_roots_are_text_that_can_be_typed() -> None:
    assert scopes_of(["/"], {}) == [Scope("/", "/")]
    assert scopes_of(["/nowhere/x.txt"], {"all": "/"}) == [Scope("all", "/", "nowhere/x.txt")]
    raw = os.fsdecode(b"/caf\xe9\x1b[31m/x.txt")
    assert scopes_of([raw], {}) == [Scope(r"caf\udce9\x1b[31m", r"/caf\udce9\x1b[31m", "x.txt")]


def test_a_folder_whose_name_needs_escaping_is_found_again_by_its_escaped_root(
    sink: QdrantSink, tmp_path: Path
) -> None:
    take(sink, fill(tmp_path / "red\x1b[31m", "a.txt"))
    assert sink.sources == {r"red\x1b[31m": rf"{tmp_path}/red\x1b[31m"}
    assert take(sink, tmp_path / "red\x1b[31m/a.txt").sources == {"unchanged": 1}


def test_names_are_the_same_in_both_forms_of_unicode(sink: QdrantSink, tmp_path: Path) -> None:
    docs = fill(tmp_path / "cafe\u0301", "re\u0301/a.txt", "b.txt")
    take(sink, docs)
    (docs / "re\u0301/a.txt").write_text("changed")
    assert take(sink, docs / "re\u0301", settings=MIRROR).sources["changed"] == 1
    assert stored(sink) == [("caf\u00e9", "b.txt"), ("caf\u00e9", "r\u00e9/a.txt")]


def test_stdin_and_a_folder_of_that_name_are_two_sources(tmp_path: Path) -> None:
    folder = fill(tmp_path / "stdin", "a.txt")
    with pytest.raises(InvalidInputError, match="source 'stdin' already, from -"):
        scopes_of([folder], {"stdin": ""})
    with pytest.raises(InvalidInputError, match=r"-: the collection has a source 'stdin' already, from .*/stdin"):
        scopes_of(["-"], {"stdin": str(folder)})
    with pytest.raises(InvalidInputError, match="would both be the source 'stdin'"):
        scopes_of(["-", folder], {})
    assert scopes_of(["-", folder], {}, name="x") == [Scope("x", str(folder)), Scope("x", str(folder))]


def test_stdin_does_not_take_a_sources_root(tmp_path: Path) -> None:
    assert scopes_of(["-"], {"docs": "/docs"}, name="docs") == [Scope("docs", "/docs")]
    os.mkfifo(tmp_path / "pipe")
    assert scopes_of([tmp_path / "pipe"], {}) == [Scope("stdin")]


@pytest.mark.parametrize(
    ("source", "file", "is_covered"),
    [
        ("whole", "any/file.md", True),
        ("part", "a/b/c.md", True),
        ("part", "one.md", True),
        ("part", "a/bc.md", False),
        ("part", "one.md.txt", False),
        ("other", "one.md", False),
    ],
)
def test_scopes_cover_a_source_a_folder_of_it_or_a_file(source: str, file: str, *, is_covered: bool) -> None:
    scopes = [Scope("whole"), Scope("part", path="a/b"), Scope("part", path="one.md")]
    assert Coverage(scopes).holds(source, file) == is_covered

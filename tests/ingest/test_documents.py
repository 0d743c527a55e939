"""A folder of documents through ingest: change, rename, delete, mirror, and what a search cites."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from embed_plugin.ingest import IngestSettings, IngestSummary, RecordReader, Rejected, ingest, open_sink, search
from embed_plugin.ingest.run import Observer
from embed_plugin.testing import FakeEncoder
from support.documents import book, mail, notebook, pdf, slides, word, workbook

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from embed_plugin.ingest import Sink

ENCODER = FakeEncoder()
MIRROR = IngestSettings(mirror=True, max_delete=1.0)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    files = {
        "report.pdf": pdf("page one", "page two", "page three"),
        "cats.docx": word(),
        "deck.pptx": slides(),
        "budget.xlsx": workbook([["item", "price"], ["fish", 3]]),
        "book.epub": book("<h1>One</h1><p>The cat</p>", "<p>The dog</p>"),
        "lab.ipynb": notebook(),
        "letter.eml": mail(("note.txt", b"note")),
        "items.json": b'[{"text": "first"}, {"text": "second"}]',
    }
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


@pytest.fixture
def sink(folder: Path) -> Iterator[Sink]:
    with open_sink(":memory:", "documents") as opened:
        ingest(RecordReader([folder]), ENCODER, opened)
        yield opened


def again(folder: Path, sink: Sink, settings: IngestSettings = MIRROR) -> IngestSummary:
    return ingest(RecordReader([folder]), ENCODER, sink, settings=settings)


def test_what_is_unchanged_is_not_embedded_again(folder: Path, sink: Sink) -> None:
    summary = again(folder, sink)
    assert (summary.records, summary.unchanged, summary.embedded) == (15, 14, 0)  # a sheet is empty


def test_a_changed_page_is_embedded_and_no_other(folder: Path, sink: Sink) -> None:
    (folder / "report.pdf").write_bytes(pdf("page one", "page two is new", "page three"))
    summary = again(folder, sink)
    assert (summary.embedded, summary.removed) == (1, 0)


def test_a_page_that_is_inserted_moves_the_others_with_their_vectors(folder: Path, sink: Sink) -> None:
    (folder / "report.pdf").write_bytes(pdf("a new page", "page one", "page two", "page three"))
    assert again(folder, sink).embedded == 1


def test_pages_and_files_that_are_gone_are_removed_by_mirror(folder: Path, sink: Sink) -> None:
    (folder / "report.pdf").write_bytes(pdf("page one"))
    (folder / "deck.pptx").unlink()
    assert again(folder, sink).removed == 4


def test_a_renamed_file_keeps_its_vectors(folder: Path, sink: Sink) -> None:
    (folder / "report.pdf").rename(folder / "renamed.pdf")
    summary = again(folder, sink)
    assert (summary.embedded, summary.removed) == (0, 3)


def test_a_damaged_file_is_rejected_and_keeps_what_is_stored(folder: Path, sink: Sink) -> None:
    (folder / "report.pdf").write_bytes(b"%PDF-1.4 no more")
    rejected: list[Rejected] = []
    observer = Observer(on_rejected=rejected.extend)
    summary = ingest(RecordReader([folder]), ENCODER, sink, settings=MIRROR, observer=observer)
    assert "report.pdf: cannot be read as pdf" in rejected[0].reason
    assert summary.removed == 0


def test_a_hit_cites_file_and_page(folder: Path, sink: Sink) -> None:
    (hit,) = search("page two", ENCODER, sink, limit=1)
    assert (hit.source_id, hit.metadata["page"]) == ("report.pdf#page=2", 2)
    assert hit.metadata["source"] == str(folder / "report.pdf")

from __future__ import annotations

import logging
from threading import Event
from typing import TYPE_CHECKING

import pytest

from conftest import HANG_SECONDS
from embed_plugin.ingest import Chunker, Record, RecordReader, long_steps
from embed_plugin.ingest.long_steps import LEAST_LENGTH, named_if_long
from embed_plugin.ingest.read.formats import text as text_format
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.types import Role

TEXT = "the cat sat on the mat\n" * 5000


class Said(logging.Handler):
    """Keeps what is logged; steps may wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.messages: list[str] = []
        self.event = Event()

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())
        self.event.set()

    def wait(self) -> None:
        assert self.event.wait(HANG_SECONDS)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[Said]:
    """Let every step take long, and collect what is said of it."""
    monkeypatch.setattr(long_steps, "SECONDS", 0)
    handler = Said()
    logger = logging.getLogger(long_steps.__name__)
    logger.addHandler(handler)
    yield handler
    logger.removeHandler(handler)


class WaitingEncoder(FakeEncoder):
    """Counts when something has been said, except for the empty text, which a chunker counts first."""

    def __init__(self, said: Said) -> None:
        super().__init__()
        self._said = said

    def count_tokens(self, texts: Sequence[str], *, role: Role = "document") -> npt.NDArray[np.int64]:
        if texts != [""]:
            self._said.wait()
        return super().count_tokens(texts, role=role)


def test_a_record_that_takes_long_to_cut_is_named(said: Said) -> None:
    Chunker(WaitingEncoder(said)).chunk([Record("a", TEXT, place="notes/a\x1b.txt")])
    assert said.messages == ["'notes/a\\x1b.txt' takes long: cutting 115,000 characters"]


def test_a_file_that_takes_long_to_read_is_named(said: Said, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.txt").write_text(TEXT)

    def waiting(content: bytes, *_: object, **__: object) -> str:
        said.wait()
        return content.decode()

    monkeypatch.setattr(text_format, "decode", waiting)
    assert [record.text for record in RecordReader([tmp_path / "a.txt"]) if isinstance(record, Record)] == [TEXT]
    assert said.messages == [f"'{tmp_path / 'a.txt'}' takes long: reading 115,000 bytes"]


def test_nothing_is_said_of_small_records_and_of_what_has_ended(monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    with named_if_long("cutting", "small", LEAST_LENGTH - 1, "characters"):
        assert not said.event.wait(0.05)
    monkeypatch.setattr(long_steps, "SECONDS", 0.05)
    with named_if_long("cutting", "quick", LEAST_LENGTH, "characters"):
        pass
    assert not said.event.wait(0.2)

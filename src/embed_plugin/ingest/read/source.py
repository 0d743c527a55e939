"""The port of sources: records to ingest, and the progress of reading them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.ingest.read.skipped import Skipped
    from embed_plugin.ingest.records import Record, Rejected


class Source(Protocol):
    """Records that are read one by one: :class:`.RecordReader`, or the dead letters of an earlier run.

    ``ingest`` itself takes any iterable of records; a progress bar and a summary need a source.
    """

    def __iter__(self) -> Iterator[Record | Rejected]: ...

    @property
    def bytes_read(self) -> int:
        """Bytes read so far; 0 if they are not counted."""

    @property
    def total_bytes(self) -> int | None:
        """Bytes to read; None if that is not known."""

    @property
    def skipped(self) -> Skipped:
        """Counts of what was left out so far."""

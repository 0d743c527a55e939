"""Conditions on stored records, joined by "and": those by name; a filter is one more class of this kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.stores.sink import StoredChunk


class RecordCondition(Protocol):
    """A condition on records: it holds for all chunks of one, or for none, so that no record is taken apart."""

    @property
    def parts(self) -> Sequence[str]:
        """The parts, of which a record must meet one, as messages name them; each is expected to be met by some."""

    def met(self, chunk: StoredChunk) -> str | None:
        """The part that a chunk's record meets; None if it meets none."""


@dataclass(frozen=True)
class OfSources:
    """Records of these sources.

    Attributes:
        names: Of the sources.
    """

    names: Sequence[str]

    @property
    def parts(self) -> Sequence[str]:
        """The sources, as messages name them."""
        return [source_part(name) for name in self.names]

    def met(self, chunk: StoredChunk) -> str | None:
        """The source of the chunk, if it is one of these."""
        return source_part(chunk.source_name) if chunk.source_name in self.names else None


@dataclass(frozen=True)
class WithIds:
    """Records with these ids, of any source.

    Attributes:
        ids: Of the records.
    """

    ids: Sequence[str]

    @property
    def parts(self) -> Sequence[str]:
        """The records, as messages name them."""
        return [f"record {one!r}" for one in self.ids]

    def met(self, chunk: StoredChunk) -> str | None:
        """The id of the chunk's record, if it is one of these."""
        return f"record {chunk.source_id!r}" if chunk.source_id in self.ids else None


def source_part(name: str) -> str:
    """A source, as messages name it."""
    return f"source {name!r}"

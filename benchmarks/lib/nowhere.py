"""A place where nothing is kept: what an ingest costs without a store that shares its process and its cores."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.ingest import point_id

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin import TextEncoder, TextLateInteractionEncoder, Vectors
    from embed_plugin.ingest import Chunk, Rejected, Stored, StoredChunk
    from embed_plugin.ingest.chunk.context import ContextRule
    from embed_plugin.ingest.stores.filter import Conditions


class Nowhere:
    """A sink that forgets everything."""

    collection, target = "nothing", "nowhere"

    def __init__(self) -> None:
        self._count = 0

    def check(self, encoder: TextEncoder) -> bool:
        """It is there."""
        del encoder
        return True

    @property
    def sources(self) -> Mapping[str, str]:
        """None is known."""
        return {}

    @property
    def context(self) -> ContextRule:
        """Nothing stands in front of a text."""
        return "none"

    def prepare(self, encoder: TextEncoder, *, sources: Mapping[str, str] | None = None) -> None:
        """Nothing to make."""

    def id_of(self, key: str, index: int) -> str:
        """As every sink has it."""
        return point_id(self.collection, key, index)

    def lookup(self, ids: Sequence[str]) -> dict[str, Stored]:
        """Nothing is stored."""
        del ids
        return {}

    def retrieve(self, ids: Sequence[str], *, with_vectors: bool = False) -> list[StoredChunk]:
        """Nothing is stored."""
        del ids, with_vectors
        return []

    def upsert(self, chunks: Sequence[Chunk], vectors: Vectors) -> list[Rejected]:
        """Count them."""
        self._count += len(vectors)
        del chunks
        return []

    def set_metadata(self, chunks: Sequence[Chunk]) -> None:
        """Nothing is stored."""

    def delete(self, ids: Sequence[str]) -> None:
        """Nothing is stored."""

    def scan(self, *, with_vectors: bool = False) -> Iterator[Sequence[StoredChunk]]:
        """Nothing is stored."""
        del with_vectors
        return iter(())

    def search(
        self, vector: npt.NDArray[np.float32], *, limit: int, text: str | None = None, conditions: Conditions = ()
    ) -> list[tuple[float, StoredChunk]]:
        """Nothing is stored."""
        del vector, limit, text, conditions
        return []

    def rankings(
        self, vector: npt.NDArray[np.float32], *, limit: int, text: str | None = None, conditions: Conditions = ()
    ) -> dict[str, list[tuple[float, StoredChunk]]]:
        """Nothing is stored."""
        del vector, limit, text, conditions
        return {}

    def max_sim(self, query: str, model: TextLateInteractionEncoder, ids: Sequence[str]) -> dict[str, float]:
        """Nothing is stored."""
        del query, model, ids
        return {}

    def compare_others(self, chunks: Sequence[StoredChunk]) -> dict[str, list[float] | None]:
        """Nothing is stored."""
        del chunks
        return {}

    def count(self, *, exact: bool = True) -> int:  # noqa: ARG002 - of a sink
        """Always empty."""
        return self._count

    def collections(self) -> list[str]:
        """None."""
        return []

    def close(self) -> None:
        """Nothing is open."""

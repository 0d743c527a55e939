"""The result of ``embed``: vectors with the identity of their space."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.types import Vectors


@dataclass(frozen=True)
class Embeddings:
    """Vectors of one space, and the endpoints that made them.

    Attributes:
        vectors: float32 ``(n, dimension)``, unit length, rows in input order.
        fingerprint: Identity of their space: vectors of two fingerprints cannot be compared.
        model: The model's name.
        endpoints: Names of the endpoints that answered: several where some batches fell back to another endpoint of
            the same space, none for no texts.
        truncated: Indices of the texts that were cut at the token limit; cloud APIs do not report them.
    """

    vectors: Vectors
    fingerprint: str
    model: str
    endpoints: tuple[str, ...]
    truncated: tuple[int, ...]

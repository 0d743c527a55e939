"""What a client returns when it is asked for vectors with their identity."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.types import Vectors


@dataclass(frozen=True)
class Embeddings:
    """Vectors of one space, and where they are from.

    Attributes:
        vectors: float32 ``(n, dimension)``, unit length, rows in input order.
        fingerprint: Identity of their space: vectors of two fingerprints cannot be compared.
        model: The model's name.
        endpoints: The endpoints that answered; several where slices of a call fell back to another one of the same
            space, none for no texts.
        truncated: Indices of the texts that were cut at the token limit; a cloud API does not say.
    """

    vectors: Vectors
    fingerprint: str
    model: str
    endpoints: tuple[str, ...]
    truncated: tuple[int, ...]

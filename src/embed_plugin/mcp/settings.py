"""Settings of the server: the collections that it shows, and where their models are."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from pathlib import Path

_MEMORY = ":memory:"


@dataclass(frozen=True)
class McpSettings:
    """Settings of the server.

    Attributes:
        target: The store of the collections; see :func:`embed_plugin.ingest.open_sink`.
        collections: Their names.
        models: Model folders, or hub ids of prepared models, that collections may be of. Beside them, all prepared
            models are looked through.
        api_key: The key of a Qdrant server.
        ca_file: Certificates of the CA that signed an ``https://`` server's.
        release_seconds: Seconds without a call after which the store is closed, so that another process may open it.

    Raises:
        InvalidInputError: no collection, one twice, a store in memory, or a time below 0.
    """

    target: str
    collections: tuple[str, ...]
    models: tuple[str, ...] = ()
    api_key: str | None = field(default=None, repr=False)
    ca_file: Path | None = None
    release_seconds: float = 60.0

    def __post_init__(self) -> None:
        if self.target == _MEMORY:
            raise InvalidInputError(f"target {_MEMORY!r}: nothing is in it. Name a folder or a server that was filled")
        if not self.collections:
            raise InvalidInputError("no collection, expected one or more")
        if len(set(self.collections)) < len(self.collections):
            raise InvalidInputError(f"collections {', '.join(self.collections)}: one is named twice. Name each once")
        if not self.release_seconds >= 0:
            raise InvalidInputError(f"{self.release_seconds} seconds until the store is closed, expected 0 or more")

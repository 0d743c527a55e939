"""Open shards of qdrant-edge, also after a kill that left an unused page.

qdrant-edge keeps payloads and indexes in pages, and a bitmask of their used parts. When a store is full, it first
creates a file for a new page, then extends the bitmask. Release 0.9 refuses to open a shard that was killed between the
two, although the new page is still empty: it is removed here. All points that were reported as stored are in the
earlier pages or in the write-ahead log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import qdrant_edge as edge

if TYPE_CHECKING:
    from pathlib import Path

_UNKNOWN_PAGE = re.compile(
    r'Inconsistent number of gridstore pages at ".*/(?P<store>segments/[^"]+)": '
    r"expected (?P<known>\d+), but found (?P<found>\d+)"
)


def open_shard(folder: Path) -> edge.EdgeShard:
    """Open the shard in a folder.

    Raises:
        Exception: of qdrant-edge, if the shard cannot be opened.
    """
    while True:
        try:
            return edge.EdgeShard.load(str(folder))
        except Exception as error:  # qdrant-edge has no narrower one
            if not _remove_unused_page(folder, str(error)):
                raise


def _remove_unused_page(folder: Path, reason: str) -> bool:
    """Remove the page that a store's bitmask does not know; return False if that is not the reason."""
    found = _UNKNOWN_PAGE.search(reason)
    if found is None or int(found["found"]) != int(found["known"]) + 1:
        return False
    (folder / found["store"] / f"page_{found['known']}.dat").unlink()
    return True

"""Opens shards of qdrant-edge, also one that a kill left with a page too many.

qdrant-edge keeps payloads and indexes in pages, and says in a bitmask what is used of them. A store that is full gets a
file for a new page first, and then a longer bitmask. Release 0.9 does not open what a kill leaves between the two,
although nothing can be in that page yet: it is removed here. What the killed process had been told is stored is in
the pages before it or in the write-ahead log.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import qdrant_edge as edge

if TYPE_CHECKING:
    from pathlib import Path

_A_PAGE_TOO_MANY = re.compile(
    r'Inconsistent number of gridstore pages at ".*/(?P<store>segments/[^"]+)": '
    r"expected (?P<known>\d+), but found (?P<found>\d+)"
)


def open_shard(folder: Path) -> edge.EdgeShard:
    """The shard in a folder.

    Raises:
        Exception: of qdrant-edge, where the shard cannot be opened.
    """
    while True:
        try:
            return edge.EdgeShard.load(str(folder))
        except Exception as error:  # qdrant-edge has no narrower one
            if not _remove_unused_page(folder, str(error)):
                raise


def _remove_unused_page(folder: Path, reason: str) -> bool:
    """Remove the one page that a store's bitmask does not know, if that is the reason; whether it was."""
    found = _A_PAGE_TOO_MANY.search(reason)
    if found is None or int(found["found"]) != int(found["known"]) + 1:
        return False
    (folder / found["store"] / f"page_{found['known']}.dat").unlink()
    return True

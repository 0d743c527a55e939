"""Find stored vectors of the texts that a window would embed, such as those of a renamed file or a moved paragraph."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.ingest.window.compare import Change, Reused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.ingest.stored_points import StoredPoints
    from embed_plugin.ingest.stores.sink import Sink


def reuse_vectors(
    changes: Sequence[Change], points: StoredPoints | None, sink: Sink, *, dimension: int
) -> list[Change]:
    """Move chunks whose text has a stored vector from the changes' ``embed`` to their ``reuse``.

    A vector depends on its text alone, so the stored one is the one that would be made, as the store keeps it. The
    point itself says what its vector was made from: it may have changed since the scan, and 64 bits of a hash are not
    all of it.

    Args:
        changes: One for each record of a window.
        points: The collection's points; None to look among those of the changes' own records alone.
        sink: The collection.
        dimension: The length of a vector.
    """
    wanted = dict.fromkeys(chunk.text_hash for change in changes for chunk in change.embed)
    ids = points.with_text(list(wanted)) if points is not None else []
    ids += [sink.id_of(change.key, index) for change in changes for index in change.moved.values()]
    known = {
        chunk.stored.text_hash: chunk.vector
        for chunk in (sink.retrieve(list(dict.fromkeys(ids)), with_vectors=True) if ids else ())
        if chunk.vector is not None and chunk.vector.shape == (dimension,) and np.isfinite(chunk.vector).all()
    }
    return [_with_known(change, known) for change in changes] if known else list(changes)


def _with_known(change: Change, known: Mapping[str, npt.NDArray[np.float32]]) -> Change:
    return replace(
        change,
        embed=tuple(chunk for chunk in change.embed if chunk.text_hash not in known),
        reuse=tuple(Reused(chunk, known[chunk.text_hash]) for chunk in change.embed if chunk.text_hash in known),
    )

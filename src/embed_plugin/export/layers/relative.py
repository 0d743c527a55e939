"""Relative position buckets: each head adds a learned number to a score, by the distance of key and query.

Raffel et al., "Exploring the Limits of Transfer Learning with a Unified Text-to-Text Transformer", 2020: half of the
buckets are for keys behind the query, half for the others; of each half, the first half has one distance a bucket, and
the second half is logarithmic up to a distance from which all share the last.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt


def bias_by_distance(
    buckets: npt.NDArray[np.float32], positions: int, *, furthest: int = 128
) -> npt.NDArray[np.float32]:
    """Turn learned numbers ``(buckets, heads)`` into a bias by distance ``(heads, 2 * positions - 1)``.

    Args:
        buckets: The table of the checkpoint.
        positions: The most tokens of a text.
        furthest: Distance from which all keys share a bucket.
    """
    distances = np.arange(1 - positions, positions)
    return np.ascontiguousarray(buckets[_bucket(distances, len(buckets), furthest)].T)


def _bucket(distances: npt.NDArray[np.int64], count: int, furthest: int) -> npt.NDArray[np.int64]:
    """The bucket of each distance, key minus query. The logarithm is float32, as where the tables were trained."""
    half = count // 2
    exact = half // 2
    away = np.abs(distances)
    beyond = np.log(np.maximum(away, exact).astype(np.float32) / np.float32(exact))
    steps = beyond / np.float32(np.log(furthest / exact)) * np.float32(half - exact)
    far = np.minimum(exact + steps.astype(np.int64), half - 1)
    return np.where(away < exact, away, far) + np.where(distances > 0, half, 0)

"""Pool a document's token vectors: like ones become one, so that a document takes a fraction of the space.

The method is that of "Reducing the Footprint of Multi-Vector Retrieval with Minimal Performance Impact via Token
Pooling" (Clavié, Chaffin and Adams, 2024), as PyLate 1.6 computes it: tokens are clustered by Ward's criterion on their
cosine distances, until one cluster is left for each ``factor`` tokens. A cluster's vector is the mean of its tokens',
here made unit length again, as all vectors are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    from embed_plugin.max_sim import TokenVectors

PROTECTED = 1
"""First tokens of a document, [CLS], that are pooled with no other."""


def pool_tokens(vectors: TokenVectors, factor: int) -> TokenVectors:
    """Pool token vectors to about one for each ``factor`` of them.

    Args:
        vectors: float32 ``(tokens, dimension)`` of unit length, in their order.
        factor: 1 keeps all.

    Returns:
        float32 ``(fewer, dimension)`` of unit length: the first token's, then the clusters' in the order of their first
        tokens.
    """
    pooled = vectors[PROTECTED:]
    if factor == 1 or len(pooled) < 2:  # noqa: PLR2004 - a pair
        return vectors
    labels = cluster(1 - pooled @ pooled.T, max(len(pooled) // factor, 1))
    means = np.array([pooled[labels == label].mean(axis=0) for label in range(labels.max() + 1)])
    lengths = np.linalg.norm(means, axis=1, keepdims=True)
    units = means / np.maximum(lengths, np.finfo(np.float32).tiny)
    return np.concatenate([vectors[:PROTECTED], units]).astype(np.float32)


def cluster(distances: npt.NDArray[np.float32], clusters: int) -> npt.NDArray[np.int64]:
    """Cluster points by Ward's criterion: again and again the pair is merged that adds least to the squared distances.

    Args:
        distances: Between any two points, ``(n, n)``.
        clusters: Number of clusters to end with.

    Returns:
        The cluster of each point, int64 ``(n,)``, numbered in the order of their first points.
    """
    count = len(distances)
    costs = distances.astype(np.float64) ** 2
    np.fill_diagonal(costs, np.inf)
    sizes, labels = np.ones(count), np.arange(count)
    nearest = costs.argmin(axis=1)
    for _ in range(count - clusters):
        lowest = costs[np.arange(count), nearest]
        first = int(lowest.argmin())
        second = int(nearest[first])
        _merge(costs, sizes, kept=min(first, second), gone=max(first, second))
        labels[labels == max(first, second)] = min(first, second)
        nearest = _nearest_after(costs, nearest, kept=min(first, second), gone=max(first, second))
    return np.unique(labels, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _merge(costs: npt.NDArray[np.float64], sizes: npt.NDArray[np.float64], *, kept: int, gone: int) -> None:
    """Merge a cluster into another: the costs to all others by Lance and Williams' formula for Ward's criterion."""
    total = sizes[kept] + sizes[gone] + sizes
    merged = (sizes + sizes[kept]) * costs[kept] + (sizes + sizes[gone]) * costs[gone] - sizes * costs[kept, gone]
    costs[kept] = costs[:, kept] = merged / total
    costs[kept, kept] = np.inf
    costs[gone] = costs[:, gone] = np.inf
    sizes[kept] += sizes[gone]


def _nearest_after(
    costs: npt.NDArray[np.float64], nearest: npt.NDArray[np.int64], *, kept: int, gone: int
) -> npt.NDArray[np.int64]:
    """The nearest cluster of each: looked for again where it was one of the two, or the merged one is nearer."""
    rows = np.arange(len(costs))
    nearest = np.where(costs[:, kept] < costs[rows, nearest], kept, nearest)
    for row in np.flatnonzero((nearest == kept) | (nearest == gone)):
        nearest[row] = costs[row].argmin()
    nearest[kept] = costs[kept].argmin()
    return nearest

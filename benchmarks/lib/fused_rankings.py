"""The ways in which two rankings are fused for a comparison: weights of the first and the second, and RRF's k."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.scoring import RRF_K, fuse_ranks

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

WEIGHTS = ((1.0, 0.0), (0.0, 1.0), (1.0, 2.0), (1.0, 1.0), (2.0, 1.0), (3.0, 1.0), (4.0, 1.0), (6.0, 1.0), (10.0, 1.0))
KS = (2, 10, 60)


def ways(names: Sequence[str]) -> Iterator[tuple[str, tuple[float, float], int]]:
    """Yield a name, the weights and k of each way; each ranking alone is there once."""
    for weights in WEIGHTS:
        if 0 in weights:
            yield names[0] if weights[0] else names[1], weights, RRF_K
            continue
        for k in KS:
            yield f"{weights[0]:g}:{weights[1]:g}, k {k}", weights, k


def fused(rankings: Mapping[str, Sequence[str]], weights: Sequence[float], k: int) -> list[str]:
    """Return ids fused with these weights, best first; those of a ranking of weight 0 are left out."""
    return [one for one, score in fuse_ranks(rankings, weights=weights, k=k).items() if score > 0]

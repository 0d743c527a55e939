"""Ways to round activations and weights to eight bits.

A weight is ``(in, out)``, its moments are the mean products of its inputs, ``(in, in)``, on texts it is calibrated on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]
Rounding = Callable[[Array], tuple[Array, Array | None]]
"""Rows to rounded rows without their middle, and the middle of each row, ``(n, 1)``; None: it is zero."""

WeightRounding = Callable[[Array, Array], tuple[Array, Array]]
"""A weight and its moments to integers ``(in, out)`` and the scale of each output ``(out,)``."""

TINY = np.float32(np.finfo(np.float32).tiny)
LARGEST_INT8 = 127
BLOCK = 64
CLIPPED_TO = np.linspace(0.7, 1, 13)
"""Parts of the largest weight that clipping tries."""


def per_token(rows: Array) -> tuple[Array, Array]:
    """Round each row to uint8 between its least and its most, which include zero."""
    return _rounded(rows, 1)


def per_token_clipped(part: float) -> Rounding:
    """Round each row in a part of that range; what is beyond saturates."""
    return lambda rows: _rounded(rows, part)


def _rounded(rows: Array, part: float) -> tuple[Array, Array]:
    least = np.minimum(rows.min(axis=1, keepdims=True), 0) * np.float32(part)
    most = np.maximum(rows.max(axis=1, keepdims=True), 0) * np.float32(part)
    scale = np.maximum((most - least) / 255, TINY)
    zero = np.rint(-least / scale)
    steps = rows / scale
    np.rint(steps, out=steps)
    steps += zero
    np.clip(steps, 0, 255, out=steps)
    steps -= 128
    steps *= scale
    return steps, scale * (128 - zero)


def per_token_in_groups(inputs: Array, groups: int) -> Rounding:
    """Round each row in as many ranges as there are groups of neighbouring inputs."""
    parts = np.array_split(inputs, groups)

    def rounded(rows: Array) -> tuple[Array, None]:
        result = np.zeros_like(rows)
        for part in parts:
            steps, middle = per_token(rows[:, part])
            result[:, part] = steps + middle
        return result, None

    return rounded


def per_token_symmetric(rows: Array) -> tuple[Array, None]:
    """Round each row to int8 on both sides of zero."""
    scale = np.maximum(np.abs(rows).max(axis=1, keepdims=True), TINY) / LARGEST_INT8
    return np.rint(rows / scale) * scale, None


def per_tensor(least: float, most: float) -> Rounding:
    """Round all rows to uint8 in one range."""
    low, high = min(least, 0.0), max(most, 0.0)
    scale = np.float32(max((high - low) / 255, float(TINY)))
    zero = np.rint(-low / scale)

    def rounded(rows: Array) -> tuple[Array, None]:
        return (np.clip(np.rint(rows / scale) + zero, 0, 255) - zero) * scale, None

    return rounded


def largest_scales(weight: Array) -> Array:
    """The scale of each output, from its largest weight."""
    return np.asarray(np.maximum(np.abs(weight).max(axis=0), TINY) / LARGEST_INT8)


def clipped_scales(weight: Array, moments: Array) -> Array:
    """The scale of each output that has the least squared error, inputs weighed by their mean squares."""
    largest, power = largest_scales(weight), np.diag(moments)
    tried = [largest * part for part in CLIPPED_TO]
    errors = [power @ np.square(to_integers(weight, scales) * scales - weight) for scales in tried]
    best = np.argmin(errors, axis=0)
    return np.asarray(np.take_along_axis(np.array(tried), best[None], axis=0)[0])


def scales_in_groups(groups: int) -> Callable[[Array, Array], Array]:
    """Scales ``(in, out)``: one of each output for each group of neighbouring inputs."""

    def scales(weight: Array, _moments: Array) -> Array:
        parts = np.array_split(weight, groups)
        return np.concatenate([np.broadcast_to(largest_scales(part), part.shape) for part in parts])

    return scales


def to_integers(weight: Array, scales: Array) -> Array:
    """The nearest integers."""
    return np.clip(np.rint(weight / scales), -LARGEST_INT8, LARGEST_INT8)


def nearest(weight: Array, _moments: Array) -> tuple[Array, Array]:
    """Round each weight to the nearest integer."""
    scales = largest_scales(weight)
    return to_integers(weight, scales), scales


def nearest_clipped(weight: Array, moments: Array) -> tuple[Array, Array]:
    """The same with clipped scales."""
    scales = clipped_scales(weight, moments)
    return to_integers(weight, scales), scales


def by_gptq(
    *, damping: float = 0.05, ordered: bool = True, scales_of: Callable[[Array, Array], Array] | None = None
) -> WeightRounding:
    """Round input by input, each error made up for by the inputs that follow (Frantar et al., "GPTQ", 2022).

    Args:
        damping: Part of the mean of the moments' diagonal that is added to it.
        ordered: Begin with the inputs that are largest in the mean.
        scales_of: Chooses the scales from the weight and its moments; None: from the largest weights.
    """

    def rounded(weight: Array, moments: Array) -> tuple[Array, Array]:
        scales = largest_scales(weight) if scales_of is None else scales_of(weight, moments)
        power = np.diag(moments)
        order = np.argsort(-power, kind="stable") if ordered else np.arange(len(power))
        damped = moments[np.ix_(order, order)] + np.eye(len(power)) * (damping * power.mean())
        result = np.empty(weight.shape)
        steps = np.broadcast_to(scales, weight.shape)[order].astype(np.float64)
        result[order] = _spread_errors(weight[order].astype(np.float64), steps, damped)
        return result, scales

    return rounded


def _spread_errors(work: Array, steps: Array, moments: Array) -> Array:
    """Round the rows of ``work``, which is changed, one after the other; a block's errors reach the rest at once."""
    factor = np.linalg.cholesky(np.linalg.inv(moments)).T
    result = np.empty_like(work)
    for start in range(0, len(work), BLOCK):
        stop = min(start + BLOCK, len(work))
        errors = np.empty((stop - start, work.shape[1]))
        for i in range(start, stop):
            result[i] = to_integers(work[i], steps[i])
            errors[i - start] = (work[i] - result[i] * steps[i]) / factor[i, i]
            work[i + 1 : stop] -= np.outer(factor[i, i + 1 : stop], errors[i - start])
        work[stop:] -= factor[start:stop, stop:].T @ errors
    return result


def by_descent(start: WeightRounding, sweeps: int) -> WeightRounding:
    """Take each weight in turn to the integer that is best beside all others, some times over (coordinate descent)."""

    def rounded(weight: Array, moments: Array) -> tuple[Array, Array]:
        integers, scales = start(weight, moments)
        damped = moments + np.eye(len(moments)) * (0.01 * np.diag(moments).mean())
        found = integers.astype(np.float64)
        errors = found - weight / scales
        for _ in range(sweeps):
            for first in range(0, len(found), BLOCK):
                _descend(found, errors, damped, slice(first, min(first + BLOCK, len(found))))
        return found, scales

    return rounded


def _descend(found: Array, errors: Array, moments: Array, block: slice) -> None:
    slopes = moments[block] @ errors
    for i in range(block.start, block.stop):
        better = np.rint(found[i] - slopes[i - block.start] / moments[i, i])
        change = np.clip(better, -LARGEST_INT8, LARGEST_INT8) - found[i]
        found[i] += change
        errors[i] += change
        slopes += np.outer(moments[block, i], change)

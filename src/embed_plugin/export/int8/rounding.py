"""Round weights to int8 so that each rounding makes up for those before it.

Frantar et al., "GPTQ: Accurate Post-Training Quantization for Generative Pre-trained Transformers" (2022): a
product's error is ``(w - rounded) H (w - rounded)`` with ``H`` the second moments of what the weight is multiplied
with. Inputs are rounded one by one, and the error of each is spread over the inputs that are left, as least squares
says.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]

LARGEST_INT8 = 127
DAMPING = 0.05
"""Part of the mean moment that is added to each input's own, so that inputs which hardly occurred are rounded as they
are. 0.01 and 0.1 do as well (docs/measurements/quality.md)."""

TABLE_ROWS = 8192
"""Rows of a table of words that are rounded together."""

BLOCK = 128
"""Inputs whose errors are spread over the rest together, by one product."""


def int8_scales(rows: npt.NDArray[np.floating]) -> npt.NDArray[np.float32]:
    """One float32 scale for each row of a matrix, so that its largest value is step 127."""
    largest = np.maximum(np.abs(rows).max(axis=1), np.finfo(np.float32).tiny)
    return np.asarray(largest.astype(np.float32) / np.float32(LARGEST_INT8))


def round_to_int8(rows: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Symmetric int8 ``(n, k)`` and one float32 scale per row ``(n,)``: ``row ~ int8 * scale``."""
    scales = int8_scales(rows)
    return _steps(rows, scales[:, None]).astype(np.int8), scales


def round_table(rows: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """:func:`round_to_int8` some rows at a time: a table of 260,000 words takes four times its size at once."""
    parts = [round_to_int8(rows[first : first + TABLE_ROWS]) for first in range(0, len(rows), TABLE_ROWS)]
    return np.concatenate([part for part, _ in parts]), np.concatenate([scales for _, scales in parts])


def round_with_moments(weight: Floats, moments: Floats) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """The same, rounded for inputs that have these second moments.

    Args:
        weight: float64 ``(out, in)``.
        moments: float64 ``(in, in)``, the mean of ``x x^T``.
    """
    scales = int8_scales(weight)
    order = np.argsort(-moments.diagonal(), kind="stable")  # inputs that matter most are rounded first
    factor = _inverse_factor(moments[np.ix_(order, order)])
    left, rounded = weight[:, order], np.empty(weight.shape, np.int8)
    for first in range(0, len(order), BLOCK):
        block = slice(first, first + BLOCK)
        steps, errors = _round_block(left[:, block], scales, factor[block, block])
        rounded[:, order[block]] = steps
        left[:, block.stop :] -= errors @ factor[block, block.stop :]
    return rounded, scales


def _round_block(weight: Floats, scales: npt.NDArray[np.float32], factor: Floats) -> tuple[Floats, Floats]:
    """Round the columns in order; returns their steps, and the errors to spread over the columns behind the block."""
    weight, steps, errors = weight.copy(), np.empty_like(weight), np.empty_like(weight)
    for i in range(weight.shape[1]):
        steps[:, i] = _steps(weight[:, i], scales)
        errors[:, i] = (weight[:, i] - steps[:, i] * scales) / factor[i, i]
        weight[:, i + 1 :] -= np.outer(errors[:, i], factor[i, i + 1 :])
    return steps, errors


def _steps(values: npt.NDArray[np.floating], scales: npt.NDArray[np.float32]) -> npt.NDArray[np.floating]:
    return np.asarray(np.clip(np.rint(values / scales), -LARGEST_INT8, LARGEST_INT8))


def _inverse_factor(moments: Floats) -> Floats:
    """The upper triangle ``U`` with ``U^T U`` the inverse of the damped moments."""
    mean = float(moments.diagonal().mean())
    damped = moments + np.eye(len(moments)) * (DAMPING * mean if mean > 0 else 1.0)
    return np.asarray(np.linalg.cholesky(np.linalg.inv(damped)).T)

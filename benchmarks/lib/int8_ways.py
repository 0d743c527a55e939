"""Ways to compute all-MiniLM-L6-v2 in INT8, each as what it rounds and how, on a forward pass in numpy."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lib.bert_numpy import PLACES, Product, Way, attend_bf16, attend_exactly
from lib.int8_rounding import (
    by_descent,
    by_gptq,
    clipped_scales,
    nearest,
    nearest_clipped,
    per_tensor,
    per_token,
    per_token_clipped,
    per_token_in_groups,
    per_token_symmetric,
    scales_in_groups,
)

LAYERS, HEADS = 6, 12

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lib.bert_numpy import Attention, Bert
    from lib.int8_rounding import Array, Rounding, WeightRounding

EVERY = 8
"""Of the rows that are calibrated on, one of so many is kept."""

CLIPS = (1.0, 0.97, 0.94, 0.9, 0.85, 0.8)
"""Parts of a row's range that clipping tries."""


@dataclass(frozen=True)
class Columns:
    """Number of inputs that are multiplied exactly, by place."""

    qkv: int
    out: int
    up: int
    down: int

    def at(self, place: str) -> int:
        """The number of a place such as ``0.qkv``."""
        return {"qkv": self.qkv, "out": self.out, "up": self.up, "down": self.down}[kind_of(place)]


@dataclass(frozen=True)
class Statistics:
    """The input of one place on the calibration texts.

    Attributes:
        moments: Mean products of the channels, float64 ``(in, in)``.
        mean: Of each channel, ``(in,)``.
        low: The least value of each channel, ``(in,)``.
        high: The largest.
        rows: Some of the rows.
    """

    moments: Array
    mean: Array
    low: Array
    high: Array
    rows: Array

    def turned(self, turn: Array) -> Statistics:
        """The statistics of ``rows @ turn``; the ranges are those of the rows that were kept."""
        rows = (self.rows @ turn).astype(np.float32)
        return Statistics(turn.T @ self.moments @ turn, self.mean @ turn, rows.min(axis=0), rows.max(axis=0), rows)


class _Seen:
    def __init__(self, width: int) -> None:
        self.moments, self.total, self.count = np.zeros((width, width)), np.zeros(width), 0
        self.low, self.high = np.full(width, np.inf), np.full(width, -np.inf)
        self.rows: list[Array] = []

    def add(self, rows: Array) -> None:
        self.moments += rows.T @ rows
        self.total += rows.sum(axis=0)
        self.low, self.high = np.minimum(self.low, rows.min(axis=0)), np.maximum(self.high, rows.max(axis=0))
        self.rows.append(rows[self.count % EVERY :: EVERY].copy())
        self.count += len(rows)

    def statistics(self) -> Statistics:
        moments, mean = self.moments / self.count, self.total / self.count
        return Statistics(moments, mean, self.low, self.high, np.concatenate(self.rows))


def measure(bert: Bert, texts: Sequence[Sequence[int]]) -> dict[str, Statistics]:
    """Statistics of every place's input on texts' token ids."""
    seen = {place: _Seen(len(product.weight)) for place, product in bert.products.items()}
    bert.encode(texts, Way({}), lambda place, rows: seen[place].add(rows))
    return {place: each.statistics() for place, each in seen.items()}


@dataclass(frozen=True)
class Recipe:
    """A way of rounding.

    Attributes:
        columns: Inputs that are multiplied exactly, by place.
        chosen_by: Their choice: ``square`` (mean square), ``largest`` (magnitude), ``range`` (what narrows the rows'
            ranges, one column after the other).
        weights: Rounds weights; None: they stay exact.
        activations: ``token``, ``symmetric``, ``tensor``, ``clipped``, ``centred`` (means subtracted) or ``exact``.
        bias: The mean error of each output is taken off the bias.
        middle_sums: ``rounded`` or ``exact`` weights are summed for the rows' middles.
        moments: ``full``, or ``means``: of the moments only diagonal and means are known.
        groups: Ranges of each row, each of some neighbouring inputs, with ``token``.
        fp32: Tells the places that are left alone.
        attention: Computes attention.
        words: Word embeddings are int8.
    """

    columns: Columns = Columns(4, 0, 4, 2)
    chosen_by: str = "largest"
    weights: WeightRounding | None = by_gptq()  # noqa: RUF009 - a function, which cannot be changed
    activations: str = "token"
    bias: bool = False
    middle_sums: str = "rounded"
    moments: str = "full"
    groups: int = 1
    fp32: Callable[[str], bool] = lambda _: False
    attention: Attention = attend_bf16
    words: bool = True


DEFAULT = Recipe()
OLD = Recipe(columns=Columns(0, 0, 0, 0), weights=nearest, activations="tensor")


def kind_of(place: str) -> str:
    """``qkv``, ``out``, ``up`` or ``down``."""
    return place.split(".")[1]


class Kitchen:
    """Makes ways from recipes, for one checkpoint and one set of calibration texts."""

    def __init__(self, bert: Bert, statistics: Mapping[str, Statistics]) -> None:
        self.bert, self.statistics = bert, statistics
        rounded, scales = nearest(bert.words.T, np.empty(0))
        self.words = np.ascontiguousarray((rounded * scales).T)
        self.rounded: dict[tuple[object, ...], Array] = {}

    def way(self, recipe: Recipe) -> Way:
        """The way of a recipe."""
        products = {place: self.product(place, recipe) for place in self.bert.products if not recipe.fp32(place)}
        return Way(products, recipe.attention, self.words if recipe.words else None)

    def product(self, place: str, recipe: Recipe) -> Product:
        """One place's product."""
        exact, seen = self.bert.products[place], self.statistics[place]
        kept = choose_columns(seen, recipe.columns.at(place), recipe.chosen_by)
        rest = np.setdiff1d(np.arange(len(exact.weight)), kept)
        weight = self.weight(place, rest, recipe)
        bias, lost = exact.bias, exact.weight.copy()
        lost[kept] = 0
        if recipe.bias:
            bias = (bias + seen.mean @ (lost - weight)).astype(np.float32)
        mean = np.zeros(len(weight), np.float32)
        if recipe.activations == "centred":
            mean[rest] = seen.mean[rest]
            bias = bias + mean @ lost
        if recipe.groups > 1:
            rounding: Rounding | None = per_token_in_groups(rest, recipe.groups)
        else:
            rounding = choose_rounding(seen, kept, mean, weight, recipe.activations)
        sums = lost.sum(axis=0) if recipe.middle_sums == "exact" else None
        return Product(weight, bias, rounding, kept, exact.weight[kept], sums)

    def weight(self, place: str, rest: Array, recipe: Recipe) -> Array:
        """The weight of a place after rounding, zero where an input is exact; each is made once."""
        key = (place, rest.tobytes(), recipe.weights, recipe.moments)
        if key not in self.rounded:
            exact = self.bert.products[place].weight
            self.rounded[key] = weight = np.zeros_like(exact)
            weight[rest] = exact[rest]
            if recipe.weights is not None:
                integers, scales = recipe.weights(exact[rest], _moments(self.statistics[place], rest, recipe))
                weight[rest] = integers * scales
        return self.rounded[key]


def _moments(seen: Statistics, rest: Array, recipe: Recipe) -> Array:
    moments, mean = seen.moments[np.ix_(rest, rest)], seen.mean[rest]
    if recipe.moments == "full":
        return np.asarray(moments)
    return np.asarray(np.diag(np.diag(moments) - mean**2) + np.outer(mean, mean))


def choose_columns(seen: Statistics, count: int, chosen_by: str) -> Array:
    """The inputs that are multiplied exactly, in order."""
    if chosen_by == "range":
        return np.sort(_narrowing(seen.rows, count))
    power = np.diag(seen.moments) if chosen_by == "square" else np.maximum(-seen.low, seen.high)
    return np.sort(np.argsort(-power, kind="stable")[:count])


def _narrowing(rows: Array, count: int) -> Array:
    """Columns that narrow the rows' ranges most in the mean square, one chosen after the other."""
    rows, found = rows.copy(), []
    for _ in range(count):
        highs, lows = np.partition(rows, -2, axis=1)[:, -2:], np.partition(rows, 1, axis=1)[:, :2]
        highs, lows = np.maximum(highs, 0), np.minimum(lows, 0)
        gains = np.zeros(rows.shape[1])
        width = np.square(highs[:, 1] - lows[:, 0])
        np.add.at(gains, rows.argmax(axis=1), width - np.square(highs[:, 0] - lows[:, 0]))
        np.add.at(gains, rows.argmin(axis=1), width - np.square(highs[:, 1] - lows[:, 1]))
        found.append(int(gains.argmax()))
        rows[:, found[-1]] = 0
    return np.array(found, int)


def choose_rounding(seen: Statistics, kept: Array, mean: Array, weight: Array, name: str) -> Rounding | None:
    """The rounding of a place's rows, whose kept columns are zero."""
    if name == "clipped":
        rows = np.array(seen.rows)
        rows[:, kept] = 0
        return per_token_clipped(min(CLIPS, key=lambda part: _error(rows, weight, per_token_clipped(part))))
    if name == "tensor":
        rest = np.setdiff1d(np.arange(len(mean)), kept)
        return per_tensor(float(seen.low[rest].min()), float(seen.high[rest].max()))
    if name == "centred":
        return lambda rows: per_token(rows - mean)
    return {"token": per_token, "symmetric": per_token_symmetric, "exact": None}[name]


def _error(rows: Array, weight: Array, rounding: Rounding) -> float:
    """Squared error of the product, from the rows' rounding alone."""
    rounded, middle = rounding(rows)
    return float(np.square((rounded + middle - rows) @ weight).sum())


def attend_int8(query: Array, key: Array, value: Array, *, axes: tuple[int, ...], of_values: tuple[int, ...]) -> Array:
    """Attention with int8 queries, keys and values, scales over these axes, and shares as uint8."""
    shares = _int8(query, axes) @ _int8(key, axes).swapaxes(-1, -2)
    shares -= shares.max(axis=-1, keepdims=True)
    np.exp(shares, out=shares)
    total = shares.sum(axis=-1, keepdims=True)
    return np.asarray((np.rint(shares * 255) / np.float32(255)) @ _int8(value, of_values) / total)


def _int8(values: Array, axes: tuple[int, ...]) -> Array:
    scale = np.maximum(np.abs(values).max(axis=axes, keepdims=True), np.float32(1e-30)) / np.float32(127)
    return np.asarray(np.rint(values / scale) * scale)


def attend_int8_rows(query: Array, key: Array, value: Array) -> Array:
    """With a scale for each row of queries and keys, and for each channel of values."""
    return attend_int8(query, key, value, axes=(-1,), of_values=(-2,))


def attend_int8_heads(query: Array, key: Array, value: Array) -> Array:
    """With a scale for each head."""
    return attend_int8(query, key, value, axes=(-1, -2), of_values=(-1, -2))


def turned(kitchen: Kitchen, turns: Mapping[str, tuple[Array, Array]]) -> Kitchen:
    """The same function with the values of some layers turned, and turned back by the product behind attention.

    Args:
        kitchen: What is changed; its checkpoint and statistics stay as they are.
        turns: Matrices ``(hidden, hidden)`` by layer: one for the values, and its inverse.
    """
    products, statistics = dict(kitchen.bert.products), dict(kitchen.statistics)
    for layer, (turn, back) in turns.items():
        qkv, out = products[f"{layer}.qkv"], products[f"{layer}.out"]
        weight, bias, first = qkv.weight.copy(), qkv.bias.copy(), 2 * len(turn)
        weight[:, first:], bias[first:] = weight[:, first:] @ turn, bias[first:] @ turn
        products[f"{layer}.qkv"] = Product(weight, bias)
        products[f"{layer}.out"] = Product((back @ out.weight).astype(np.float32), out.bias)
        statistics[f"{layer}.out"] = statistics[f"{layer}.out"].turned(turn)
    return Kitchen(kitchen.bert.with_products(products), statistics)


def rotations(kitchen: Kitchen) -> dict[str, tuple[Array, Array]]:
    """A Hadamard matrix for each head (Ashkboos et al., "QuaRot", 2024)."""
    width = kitchen.bert.words.shape[1]
    size = width // kitchen.bert.heads
    one = np.ones((1, 1))
    while len(one) < size:
        one = np.block([[one, one], [one, -one]])
    turn = np.kron(np.eye(kitchen.bert.heads), one / np.sqrt(size)).astype(np.float32)
    return {str(layer): (turn, turn.T) for layer in range(kitchen.bert.layers)}


def equalisations(kitchen: Kitchen, exponent: float) -> dict[str, tuple[Array, Array]]:
    """Scales between the values and the product behind attention (Xiao et al., "SmoothQuant", 2022)."""
    found = {}
    for layer in map(str, range(kitchen.bert.layers)):
        seen, weight = kitchen.statistics[f"{layer}.out"], kitchen.bert.products[f"{layer}.out"].weight
        scales = np.maximum(-seen.low, seen.high) ** exponent / np.abs(weight).max(axis=1) ** (1 - exponent)
        scales /= np.exp(np.log(scales).mean())
        found[layer] = np.diag(1 / scales).astype(np.float32), np.diag(scales).astype(np.float32)
    return found


def everywhere(count: int) -> Columns:
    """The same number of exact columns at every place."""
    return Columns(count, count, count, count)


OTHER_COLUMNS = (
    *((0, 0, 4, 2), (1, 0, 4, 2), (2, 0, 4, 2), (8, 0, 4, 2)),
    *((4, 0, 0, 2), (4, 0, 1, 2), (4, 0, 2, 2), (4, 0, 3, 2), (4, 0, 8, 2)),
    *((4, 0, 4, 0), (4, 0, 4, 1), (4, 0, 4, 4), (4, 0, 4, 8), (4, 4, 4, 2), (1, 0, 4, 1), (8, 0, 8, 4)),
)
"""Exact columns of queries, keys and values, of attention's output, and of the feed-forward part's two products."""


def recipes() -> Iterator[tuple[str, Recipe]]:
    """Yield a name and a recipe for each row of the table."""
    exact = replace(DEFAULT, weights=None)
    yield "**GPTQ, exact columns 4/0/4/2, per token, attention bf16**", DEFAULT
    yield "weights and activations exact (attention bf16, words int8)", replace(exact, activations="exact")
    yield "activations exact", replace(DEFAULT, activations="exact")
    yield "activations exact, weights nearest", replace(DEFAULT, activations="exact", weights=nearest)
    yield "weights exact, columns 4/0/4/2", exact
    yield from _columns(exact)
    yield from _weights(DEFAULT)
    yield from _activations(DEFAULT)
    for place in PLACES:
        yield f"{place} in fp32", replace(DEFAULT, fp32=_left_out(place))
    for layer in range(LAYERS):
        yield f"layer {layer} in fp32", replace(DEFAULT, fp32=_left_out(f"{layer}."))
    yield "without any of it: per tensor, nearest, no column", OLD


def _left_out(part: str) -> Callable[[str], bool]:
    return lambda place: part in place


def _columns(exact: Recipe) -> Iterator[tuple[str, Recipe]]:
    for chosen_by in ("square", "range"):
        yield f"the same, columns by {chosen_by}", replace(exact, chosen_by=chosen_by)
    for count in (0, 1, 2, 4, 8):
        yield f"weights exact, {count} columns everywhere", replace(exact, columns=everywhere(count))
    for columns in OTHER_COLUMNS:
        yield f"weights exact, columns {'/'.join(map(str, columns))}", replace(exact, columns=Columns(*columns))


def _weights(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    for columns in ((1, 0, 4, 1), (2, 2, 2, 2), (8, 8, 8, 8)):
        yield f"GPTQ, columns {'/'.join(map(str, columns))}", replace(recipe, columns=Columns(*columns))
    yield "nearest", replace(recipe, weights=nearest)
    yield "nearest, columns 8/8/8/8", replace(recipe, weights=nearest, columns=everywhere(8))
    yield "nearest, bias corrected", replace(recipe, weights=nearest, bias=True)
    yield "nearest, the middle times sums of exact weights", replace(recipe, weights=nearest, middle_sums="exact")
    yield "nearest, clipped by squared error", replace(recipe, weights=nearest_clipped)
    yield "GPTQ, clipped by squared error", replace(recipe, weights=by_gptq(scales_of=clipped_scales))
    yield "GPTQ, bias corrected", replace(recipe, bias=True)
    for damping in (0.01, 0.1):
        yield f"GPTQ, damping {damping} in place of 0.05", replace(recipe, weights=by_gptq(damping=damping))
    yield "GPTQ, inputs in their order", replace(recipe, weights=by_gptq(ordered=False))
    yield "GPTQ on the moments' diagonal and the mean alone", replace(recipe, moments="means")
    yield "coordinate descent from nearest, 3 sweeps", replace(recipe, weights=by_descent(nearest, 3))
    yield "coordinate descent from GPTQ, 2 sweeps", replace(recipe, weights=by_descent(by_gptq(), 2))


def _activations(recipe: Recipe) -> Iterator[tuple[str, Recipe]]:
    yield "activations per token, symmetric", replace(recipe, activations="symmetric")
    yield "activations per token, clipped by the error of the output", replace(recipe, activations="clipped")
    yield "activations per token, means subtracted", replace(recipe, activations="centred")
    for groups in (2, 4):
        inside = by_gptq(scales_of=scales_in_groups(groups))
        yield f"activations and weights with {groups} scales a row", replace(recipe, groups=groups, weights=inside)
        name = f"the same without exact columns, {groups} scales a row"
        yield name, replace(recipe, groups=groups, weights=inside, columns=everywhere(0))
    yield "activations per tensor, calibrated", replace(recipe, activations="tensor")
    yield "attention fp32", replace(recipe, attention=attend_exactly)
    yield "attention int8, a scale per row and channel", replace(recipe, attention=attend_int8_rows)
    yield "attention int8, a scale per head", replace(recipe, attention=attend_int8_heads)
    yield "words fp32", replace(recipe, words=False)


def calibrated_on(kitchen: Kitchen, other: Mapping[str, Statistics]) -> Kitchen:
    """The same with weights rounded on other texts; exact columns stay."""
    mixed = {place: replace(each, moments=other[place].moments) for place, each in kitchen.statistics.items()}
    return Kitchen(kitchen.bert, mixed)


def kitchens(kitchen: Kitchen) -> Iterator[tuple[str, Kitchen]]:
    """Yield a name and the kitchen for each way that changes the checkpoint first."""
    yield "values and attention's output rotated", turned(kitchen, rotations(kitchen))
    for exponent in (0.5, 0.7):
        yield f"the same equalised, exponent {exponent}", turned(kitchen, equalisations(kitchen, exponent))

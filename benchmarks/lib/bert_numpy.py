"""A BERT encoder in numpy whose products can be replaced, to try ways of rounding before a kernel is written.

All products with one input are one product: queries, keys and values of a layer, its attention output, the first and
the second product of its feed-forward part. ``<layer>.qkv``, ``<layer>.out``, ``<layer>.up`` and ``<layer>.down`` name
the places; a way of rounding gives each place a :class:`Product`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from copy import copy
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.cpu.count import available_workers
from embed_plugin.export.checkpoint.tensors import read_tensor

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from lib.int8_rounding import Array, Rounding

Watch = Callable[[str, "Array"], None]
"""Told of the input rows of each place."""

Attention = Callable[["Array", "Array", "Array"], "Array"]
PLACES = ("qkv", "out", "up", "down")
TOKENS_PER_BATCH = 1024
NORM_EPSILON = 1e-12


@dataclass(frozen=True)
class Product:
    """``rows @ weight + bias``, with the rows' rounding.

    Attributes:
        weight: ``(in, out)``, as it is after rounding; zero where an input is kept exact.
        bias: ``(out,)``.
        rounding: Applied to the rows; None: they stay as they are.
        kept: Inputs that are multiplied exactly, and are zero for the rounding.
        kept_weight: Their weights, ``(kept, out)``.
        sums: What the rows' middle is multiplied with, ``(out,)``; None: the sums of ``weight``.
    """

    weight: Array
    bias: Array
    rounding: Rounding | None = None
    kept: Array | None = None
    kept_weight: Array | None = None
    sums: Array | None = None

    def __call__(self, rows: Array) -> Array:
        """Multiply rows ``(n, in)`` to ``(n, out)``."""
        exact = None
        if self.kept is not None and len(self.kept):
            exact = rows[:, self.kept] @ self.kept_weight
            rows = rows.copy()
            rows[:, self.kept] = 0
        middle = None
        if self.rounding is not None:
            rows, middle = self.rounding(rows)
        result = rows @ self.weight
        if middle is not None:
            result += middle * (self.weight.sum(axis=0) if self.sums is None else self.sums)
        if exact is not None:
            result += exact
        result += self.bias
        return result


def bf16(values: Array) -> Array:
    """Round float32 to bfloat16, to even."""
    bits = values.astype(np.float32).view(np.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & np.uint32(0xFFFF0000)
    return rounded.view(np.float32)


def attend_exactly(query: Array, key: Array, value: Array) -> Array:
    """Attention of ``(n, heads, length, size)``, the query already divided by the root of the size."""
    shares = query @ key.swapaxes(-1, -2)
    shares -= shares.max(axis=-1, keepdims=True)
    np.exp(shares, out=shares)
    result = shares @ value
    result /= shares.sum(axis=-1, keepdims=True)
    return np.asarray(result)


def attend_bf16(query: Array, key: Array, value: Array) -> Array:
    """The same with queries, keys, values and shares rounded to bfloat16, as the kernels do."""
    shares = bf16(query * np.float32(np.log2(np.e))) @ bf16(key).swapaxes(-1, -2)
    shares -= shares.max(axis=-1, keepdims=True)
    np.exp2(shares, out=shares)
    result = bf16(shares) @ bf16(value)
    result /= shares.sum(axis=-1, keepdims=True)
    return np.asarray(result)


def gelu(rows: Array) -> Array:
    """GELU, in place, with the error function to 1.5e-7 (Abramowitz and Stegun, 7.1.26)."""
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    size = np.abs(rows)
    size *= np.sqrt(0.5).astype(rows.dtype)
    part = 1 / (1 + rows.dtype.type(0.3275911) * size)
    total = np.full_like(part, factors[0])
    for factor in factors[1:]:
        total *= part
        total += rows.dtype.type(factor)
    total *= part
    size *= -size
    np.exp(size, out=size)
    total *= size  # 1 - erf(|x| / sqrt(2))
    # GELU(x) = max(x, 0) - |x| * (1 - erf) / 2
    total *= np.abs(rows) * rows.dtype.type(0.5)
    np.maximum(rows, 0, out=rows)
    rows -= total
    return rows


class Bert:
    """The weights of a checkpoint, and its forward pass."""

    def __init__(self, weights: Path, *, layers: int, heads: int, dtype: npt.DTypeLike = np.float32) -> None:
        def read(name: str) -> Array:
            return read_tensor(weights, name).astype(dtype)

        self.layers, self.heads = layers, heads
        self.words = read("embeddings.word_embeddings.weight")
        segment = read("embeddings.token_type_embeddings.weight")[0]
        self.positions = read("embeddings.position_embeddings.weight") + segment
        self.norms = {"embeddings": self._norm(read, "embeddings.LayerNorm")}
        self.products: dict[str, Product] = {}
        for i in range(layers):
            name = f"encoder.layer.{i}"
            parts = {
                "qkv": [f"attention.self.{part}" for part in ("query", "key", "value")],
                "out": ["attention.output.dense"],
                "up": ["intermediate.dense"],
                "down": ["output.dense"],
            }
            for place, names in parts.items():
                weight = np.concatenate([read(f"{name}.{part}.weight").T for part in names], axis=1)
                bias = np.concatenate([read(f"{name}.{part}.bias") for part in names])
                self.products[f"{i}.{place}"] = Product(np.ascontiguousarray(weight), bias)
            self.norms[f"{i}.attention"] = self._norm(read, f"{name}.attention.output.LayerNorm")
            self.norms[f"{i}.output"] = self._norm(read, f"{name}.output.LayerNorm")

    def with_products(self, products: dict[str, Product]) -> Bert:
        """The same model with other products."""
        changed = copy(self)
        changed.products = products
        return changed

    @staticmethod
    def _norm(read: Callable[[str], Array], name: str) -> tuple[Array, Array]:
        return read(f"{name}.weight"), read(f"{name}.bias")

    def norm(self, name: str, rows: Array) -> Array:
        """Layer normalisation, in place."""
        gain, bias = self.norms[name]
        rows -= rows.mean(axis=-1, keepdims=True)
        variance = np.einsum("ij,ij->i", rows, rows)[:, None] / rows.shape[1]
        rows /= np.sqrt(variance + NORM_EPSILON)
        rows *= gain
        rows += bias
        return rows

    def forward(self, ids: Array, way: Way, watch: Watch | None = None) -> Array:
        """Unit vectors of token ids ``(n, length)``."""
        products = {**self.products, **way.products}

        def multiply(place: str, rows: Array) -> Array:
            if watch is not None:
                watch(place, rows)
            return products[place](rows)

        words = self.words if way.words is None else way.words
        hidden = (words[ids] + self.positions[: ids.shape[1]]).reshape(-1, words.shape[1])
        hidden = self.norm("embeddings", hidden)
        for i in range(self.layers):
            attended = self.attend(multiply(f"{i}.qkv", hidden), ids.shape, way)
            added = multiply(f"{i}.out", attended)
            added += hidden
            hidden = self.norm(f"{i}.attention", added)
            narrowed = multiply(f"{i}.down", gelu(multiply(f"{i}.up", hidden)))
            narrowed += hidden
            hidden = self.norm(f"{i}.output", narrowed)
        pooled = hidden.reshape(*ids.shape, -1).sum(axis=1)
        return np.asarray(pooled / np.linalg.norm(pooled, axis=1, keepdims=True))

    def attend(self, rows: Array, shape: tuple[int, ...], way: Way) -> Array:
        """Attention on rows of queries, keys and values side by side."""
        width = rows.shape[1] // 3
        parts = rows.reshape(*shape, 3, self.heads, width // self.heads).transpose(2, 0, 3, 1, 4)
        root = rows.dtype.type(1 / np.sqrt(width // self.heads))
        result = way.attention(parts[0] * root, parts[1], parts[2])
        return result.transpose(0, 2, 1, 3).reshape(-1, width)

    def encode(self, texts: Sequence[Sequence[int]], way: Way, watch: Watch | None = None) -> Array:
        """Unit vectors of texts' token ids, in their order; texts of one length go together."""
        order = sorted(range(len(texts)), key=lambda i: len(texts[i]))
        batches = [
            list(group)[start : start + step]
            for length, found in groupby(order, key=lambda i: len(texts[i]))
            for group in [list(found)]
            for step in [max(1, TOKENS_PER_BATCH // length)]
            for start in range(0, len(group), step)
        ]

        def run(batch: list[int]) -> Array:
            return self.forward(np.array([texts[i] for i in batch]), way, watch)

        workers = 1 if watch is not None else available_workers()
        with ThreadPoolExecutor(workers) as threads:
            found = list(threads.map(run, batches))
        result = np.empty((len(texts), self.words.shape[1]), found[0].dtype)
        for batch, vectors in zip(batches, found, strict=True):
            result[batch] = vectors
        return result


@dataclass(frozen=True)
class Way:
    """A way to compute the model: what differs from fp32.

    Attributes:
        products: The products that are replaced, by place.
        attention: Computes attention.
        words: Word embeddings, as they are after rounding; None: unchanged.
    """

    products: Mapping[str, Product]
    attention: Attention = attend_exactly
    words: Array | None = None


EXACT = Way({})

"""Find the numbers of an INT8 model by running the calibration texts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.int8.float64_run import run_in_float64
from embed_plugin.export.int8.quantise import Quantisation, WeightProduct, looked_up_tables, weight_products
from embed_plugin.export.int8.weights import describe, quantise_weights

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy.typing as npt
    import onnx

    from embed_plugin.export.int8.weights import QuantisedWeight

MOST_ROWS = 40_960
"""Rows of weights that are rounded together: more than a layer has, and few beside a vocabulary of 250,002 words, whose
rows of 1,024 would take 2 GB several times over."""


def calibrate(
    model: onnx.ModelProto, inputs: Sequence[npt.NDArray[np.int64]], on_progress: Callable[[int, int], None]
) -> Quantisation:
    """Choose the channels that are kept, and round the weights of all products, activation by activation.

    Args:
        model: The fp32 graph, its weights inside or mapped.
        inputs: Token ids ``(1, length)`` of each calibration text.
        on_progress: Called as ``(done, total)`` after each activation.

    Raises:
        ExportError: the graph has no such product, or cannot be run in float64.
    """
    readers: dict[str, list[WeightProduct]] = {}
    for product in weight_products(model):
        readers.setdefault(product.value, []).append(product)
    if not readers and _only_looks_up(model):  # a static embedding, whose table alone is rounded
        return Quantisation({}, {})
    if not readers:
        raise ExportError("the graph has no product with a weight that INT8 could speed up: use --precision fp32")
    kept: dict[str, Sequence[int]] = {}
    weights: dict[str, QuantisedWeight] = {}
    total = len(readers)
    for done, (value, texts) in enumerate(run_in_float64(model, set(readers), inputs), 1):
        activation = describe(np.concatenate([each.reshape(-1, each.shape[-1]) for each in texts]))
        kept[value] = activation.kept
        products = readers.pop(value)  # mapped weights leave memory with it
        for part in _parts(products):
            rounded = quantise_weights([each.weight for each in part], activation)
            weights.update(zip((each.output for each in part), rounded, strict=True))
        on_progress(done, total)
    return Quantisation(kept, weights)


def _only_looks_up(model: onnx.ModelProto) -> bool:
    """Tell if rows of tables are all that a graph's weights give: it has no filter of a convolution, say."""
    tables = set(looked_up_tables(model))
    wide = {tensor.name for tensor in model.graph.initializer if len(tensor.dims) > 1}
    return bool(tables) and wide <= tables


def _parts(products: Sequence[WeightProduct]) -> Iterator[list[WeightProduct]]:
    """Split the products of one activation so that rounding, in float64, holds no more rows than those of a layer."""
    part: list[WeightProduct] = []
    rows = 0
    for product in products:
        if part and rows + len(product.weight) > MOST_ROWS:
            yield part
            part, rows = [], 0
        part.append(product)
        rows += len(product.weight)
    if part:
        yield part

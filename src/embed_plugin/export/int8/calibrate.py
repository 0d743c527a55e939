"""Read calibration texts, and find the numbers of an INT8 model by running them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.export.int8.float64_run import run_in_float64
from embed_plugin.export.int8.quantise import Quantisation, WeightProduct, weight_products
from embed_plugin.export.int8.weights import describe, quantise_weight
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    import onnx


BUILT_IN = "built-in"
MOST_TEXTS = 128
"""Most texts that are used: 16 are enough, and 512 only widen the ranges (docs/design/quality.md)."""

FEWEST_TEXTS = 10
HELD_OUT_EVERY = 5
"""Every fifth text is held out, to compare the quantised model with the fp32 one."""

CHARACTERS_OF_A_FILE = 2_000
_SUFFIXES = {".txt", ".md", ".markdown", ".rst", ".jsonl"}


@dataclass(frozen=True)
class CalibrationTexts:
    """Texts for calibration, and held-out texts to compare the models on.

    Attributes:
        origin: ``built-in``, or the name of the file or folder they came from.
        calibration: Texts whose activations set the quantisation ranges.
        held_out: Texts that are not used for calibration.
    """

    origin: str
    calibration: list[str]
    held_out: list[str]


def read_calibration_texts(path: Path | None) -> CalibrationTexts:
    """Read up to 128 texts: a file of lines, a ``.jsonl`` file (its ``text`` field), or a folder of such files.

    Without a path: a small set that was written for this project and is shipped with it.

    Raises:
        InvalidInputError: the path cannot be read, or holds fewer than 10 texts.
    """
    if path is None:
        shipped = files("embed_plugin.export.int8").joinpath("calibration_texts.txt")
        texts, origin = shipped.read_text(encoding="utf-8").split("\n"), BUILT_IN
    else:
        texts, origin = _read_texts(path), path.name
    texts = list(dict.fromkeys(text for text in texts if text.strip()))
    if len(texts) < FEWEST_TEXTS:
        message = f"{path} holds {len(texts)} different texts; calibration needs at least {FEWEST_TEXTS}"
        raise InvalidInputError(f"{message}, a few hundred of the kind you will encode are better")
    texts = _spread(texts, MOST_TEXTS)
    held_out = texts[::HELD_OUT_EVERY]
    return CalibrationTexts(origin, [text for i, text in enumerate(texts) if i % HELD_OUT_EVERY], held_out)


def _spread(texts: list[str], most: int) -> list[str]:
    """At most ``most`` texts, taken evenly from the whole."""
    if len(texts) <= most:
        return texts
    return [texts[i * len(texts) // most] for i in range(most)]


def _read_texts(path: Path) -> list[str]:
    try:
        if path.is_dir():
            inside = sorted(file for file in path.rglob("*") if file.suffix in _SUFFIXES and file.is_file())
            return [text for file in inside for text in _texts_of_file_in_folder(file)]
        if path.suffix == ".jsonl":
            return list(_jsonl_texts(path))
        with path.open("rb") as stream:
            return [line.text for line in read_text_lines(stream, str(path))]
    except (OSError, RecordError) as error:
        raise InvalidInputError(f"calibration texts {path} cannot be read ({error}); expected UTF-8 text") from error


def _texts_of_file_in_folder(path: Path) -> Iterator[str]:
    if path.suffix == ".jsonl":
        yield from _jsonl_texts(path)
    else:
        with path.open("rb") as stream:
            yield "\n".join(line.text for line in read_text_lines(stream, str(path)))[:CHARACTERS_OF_A_FILE]


def _jsonl_texts(path: Path) -> Iterator[str]:
    with path.open("rb") as stream:
        for place, line in read_text_lines(stream, str(path)):
            if not line.strip():
                continue
            try:
                text = json.loads(line)["text"]
            except (ValueError, KeyError, TypeError) as error:
                raise InvalidInputError(f"{place}: not a JSON object with a field 'text' ({error!r})") from error
            yield str(text)


def calibrate(
    model: onnx.ModelProto, inputs: Sequence[npt.NDArray[np.int64]], on_progress: Callable[[int, int], None]
) -> Quantisation:
    """Choose the channels that are kept, and round the weights of all products, activation by activation.

    Args:
        model: The fp32 graph, its weights inside.
        inputs: Token ids ``(1, length)`` of each calibration text.
        on_progress: Called as ``(done, total)`` after each activation.

    Raises:
        ExportError: the graph cannot be run in float64.
    """
    readers: dict[str, list[WeightProduct]] = {}
    for product in weight_products(model):
        readers.setdefault(product.value, []).append(product)
    kept, weights = {}, {}
    for done, (value, texts) in enumerate(run_in_float64(model, readers, inputs), 1):
        activation = describe(np.concatenate([each.reshape(-1, each.shape[-1]) for each in texts]))
        kept[value] = activation.kept
        weights.update({each.output: quantise_weight(each.weight, activation) for each in readers[value]})
        on_progress(done, len(readers))
    return Quantisation(kept, weights)

"""Read calibration texts, and measure the range of each quantised activation on them."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import onnx

from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import open_session
from embed_plugin.errors import InvalidInputError, RecordError
from embed_plugin.lines import read_text_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt


@dataclass(frozen=True)
class ChannelRange:
    """The range of one activation on the calibration texts.

    Attributes:
        low: The smallest value of each channel, float32 ``(channels,)``.
        high: The largest.
        power: The mean square of all values.
    """

    low: npt.NDArray[np.float32]
    high: npt.NDArray[np.float32]
    power: float


Ranges = dict[str, ChannelRange]
"""The range of each activation, by name."""

BUILT_IN = "built-in"
MOST_TEXTS = 128
"""Most texts that are used: 16 are enough, and 512 only widen the ranges (docs/design/quality.md)."""

FEWEST_TEXTS = 10
HELD_OUT_EVERY = 5
"""Every fifth text is held out, to compare the quantised model with the fp32 one."""

RANGE_BITS = 6
"""Significant bits of a range's ends, so that an export has the same scales on every class of CPU, whose fp32 rounds
otherwise. ``benchmarks/run/calibration_ties.py`` has the chance that it has not: 1.5e-4 for all-MiniLM-L6-v2. Fewer
bits widen the ranges more; six by 1.1 % in the mean."""

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


def measure_ranges(
    graph: Path,
    activations: Sequence[str],
    inputs: Sequence[npt.NDArray[np.int64]],
    on_progress: Callable[[int], None],
) -> Ranges:
    """Measure the smallest and largest value of each channel of each activation over all inputs (min-max calibration).

    Args:
        graph: The fp32 graph; a copy of it with more outputs is written beside it.
        activations: Names of the values to measure.
        inputs: One ``(1, length)`` array of token ids per text.
        on_progress: Called after each text with the number done.
    """
    watched = onnx.load(graph, load_external_data=False)
    present = {output.name for output in watched.graph.output}
    watched.graph.output.extend(onnx.ValueInfoProto(name=name) for name in activations if name not in present)
    watched_graph = graph.with_name(f"watched.{graph.name}")
    onnx.save(watched, watched_graph)
    session = open_session(watched_graph)
    watched_graph.unlink()
    seen = {name: _Seen() for name in activations}
    with ThreadPoolExecutor(available_workers()) as threads:  # in order: the sum of squares depends on it
        runs = threads.map(lambda input_ids: session.run(list(activations), {"input_ids": input_ids}), inputs)
        for done, values in enumerate(runs, 1):
            for name, value in zip(activations, values, strict=True):
                seen[name].add(value.reshape(-1, value.shape[-1]))
            on_progress(done)
    return {name: each.range() for name, each in seen.items()}


class _Seen:
    """The running range of one activation."""

    def __init__(self) -> None:
        self.low = self.high = np.empty(0, np.float32)
        self.squares, self.values = 0.0, 0

    def add(self, rows: npt.NDArray[np.float32]) -> None:
        """Add rows ``(tokens, channels)``."""
        low, high = rows.min(axis=0), rows.max(axis=0)
        self.low, self.high = (np.minimum(self.low, low), np.maximum(self.high, high)) if self.values else (low, high)
        self.squares += float(np.square(rows, dtype=np.float64).sum())
        self.values += rows.size

    def range(self) -> ChannelRange:
        """The result, rounded so that it is the same on every CPU."""
        power = np.array([self.squares / max(1, self.values)], np.float32)
        return ChannelRange(_rounded(self.low), _rounded(self.high), float(_rounded(power)[0]))


def _rounded(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    """The next larger magnitudes of :data:`RANGE_BITS` significant bits."""
    mantissas, exponents = np.frexp(values)
    away_from_zero = np.copysign(np.ceil(np.abs(np.ldexp(mantissas, RANGE_BITS))), values)
    return np.asarray(np.ldexp(away_from_zero, exponents - RANGE_BITS), dtype=np.float32)

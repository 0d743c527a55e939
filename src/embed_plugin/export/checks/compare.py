"""Compare a quantised model's vectors with the fp32 model's, by kind of text, on texts it was not calibrated on."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.session import OnnxSession
from embed_plugin.errors import EncodingError, ExportError, QualityFloorError
from embed_plugin.model.kinds import KINDS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.types import Kind, Rows

    TokenIdArrays = Sequence[npt.NDArray[np.int64]]

DEFAULT_FLOOR = 0.98
"""Mean cosine to fp32 below which an export is refused. all-MiniLM-L6-v2 stands at 0.9997."""


@dataclass(frozen=True)
class KindComparison:
    """Cosines of the quantised vectors of one kind of text to their fp32 vectors; 1.0 is no difference.

    Attributes:
        kind: Name of the kind: ``queries``, ``code``, ...
        texts: Number of texts compared; none was used for calibration.
        mean_cosine: Their mean.
        quantile_1: The cosine that one text in a hundred is below; of fewer than a hundred texts, a value between the
            worst and the next one.
        least_cosine: The worst of them.
    """

    kind: str
    texts: int
    mean_cosine: float
    quantile_1: float
    least_cosine: float


@dataclass(frozen=True)
class Comparison:
    """The comparison of all kinds, and of their texts together.

    Attributes:
        texts: Number of texts of all kinds.
        mean_cosine: Mean cosine of all texts.
        quantile_1: The cosine that one text in a hundred is below.
        least_cosine: The worst text's.
        kinds: The same by kind.
    """

    texts: int
    mean_cosine: float
    quantile_1: float
    least_cosine: float
    kinds: list[KindComparison]

    def require(self, floor: float) -> None:
        """Refuse a model of which one kind's mean is below the floor.

        Raises:
            QualityFloorError: there is such a kind; the message has the figures of the worst.
        """
        worst = min(self.kinds, key=lambda each: each.mean_cosine)
        if worst.mean_cosine < floor:
            least = f"1 % quantile {worst.quantile_1:.4f}, least {worst.least_cosine:.4f}"
            kind = f"the kind {worst.kind!r} ({worst.texts} texts, {least})"
            found = f"the INT8 model's mean cosine to fp32 is {worst.mean_cosine:.4f} on {kind}"
            remedy = "calibrate on text like yours (--calibration), keep fp32 (--precision fp32), or lower --min-cosine"
            raise QualityFloorError(f"{found}, below the floor of {floor}: {remedy}")


def compare(
    reference: Path, candidate: Path, inputs: Mapping[str, TokenIdArrays], kind: Kind = "embedding"
) -> Comparison:
    """Compare the models of two folders on the same token ids, one ``(1, length)`` array per text, by kind of text.

    A text that has several vectors, of late interaction, counts with the mean of their cosines.

    Raises:
        ExportError: a vector holds NaN or infinity.
    """
    ids = list(chain.from_iterable(inputs.values()))
    rows = zip(encode_all(candidate, ids, kind), encode_all(reference, ids, kind), strict=True)
    cosines = np.array([np.sum(vectors.astype(np.float64) * expected, axis=-1).mean() for vectors, expected in rows])
    ends = np.cumsum([len(each) for each in inputs.values()])
    parts = zip(inputs, np.split(cosines, ends[:-1]), strict=True)
    return Comparison(len(cosines), *_figures(cosines), [compare_kind(name, part) for name, part in parts])


def compare_kind(kind: str, cosines: npt.NDArray[np.float64]) -> KindComparison:
    """Return the figures of one kind, of which ``cosines`` ``(n,)`` has each text's."""
    return KindComparison(kind, len(cosines), *_figures(cosines))


def _figures(cosines: npt.NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean, 1 % quantile and least."""
    return float(cosines.mean()), float(np.quantile(cosines, 0.01)), float(cosines.min())


def encode_all(folder: Path, inputs: Sequence[npt.NDArray[np.int64]], kind: Kind = "embedding") -> list[Rows]:
    """Encode all inputs as the encoder does on this machine: the row of each text.

    Raises:
        ExportError: a vector holds NaN or infinity.
    """
    return [rows[0] for rows in rows_of(folder, inputs, kind)]


def rows_of(folder: Path, inputs: Iterable[npt.NDArray[np.int64]], kind: Kind) -> Iterator[Rows]:
    """Yield what a graph gives for each input, as on this machine.

    Raises:
        ExportError: a row holds NaN or infinity.
    """
    session = OnnxSession.of(folder, KINDS[kind].output)
    try:
        with ThreadPoolExecutor(available_workers()) as threads:
            yield from threads.map(session.run, inputs)
    except EncodingError as error:
        found = "the exported graph returns NaN or infinity"
        raise ExportError(f"{found}: the checkpoint is damaged or of another kind") from error

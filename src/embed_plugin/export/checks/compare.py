"""Compare a quantised model's vectors with the fp32 model's, on texts it was not calibrated on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.encode.session import OnnxSession
from embed_plugin.errors import EncodingError, ExportError, QualityFloorError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.types import Vectors

DEFAULT_FLOOR = 0.98
"""Mean cosine to fp32 below which an export is refused. all-MiniLM-L6-v2 stands at 0.998."""


@dataclass(frozen=True)
class Comparison:
    """Cosine of each text's quantised vector to its fp32 vector.

    Attributes:
        texts: Number of texts compared; none was used for calibration.
        mean_cosine: Their mean; 1.0 is no difference.
        least_cosine: The worst of them.
    """

    texts: int
    mean_cosine: float
    least_cosine: float

    def require(self, floor: float) -> None:
        """Refuse a model below the floor.

        Raises:
            QualityFloorError: the mean cosine is below it.
        """
        if self.mean_cosine < floor:
            found = f"the INT8 model's mean cosine to fp32 is {self.mean_cosine:.4f} (least {self.least_cosine:.4f})"
            remedy = "calibrate on text like yours (--calibration), keep fp32 (--precision fp32), or lower --min-cosine"
            raise QualityFloorError(f"{found}, below the floor of {floor}: {remedy}")


def compare(reference: Path, candidate: Path, inputs: Sequence[npt.NDArray[np.int64]]) -> Comparison:
    """Compare the models of two folders on the same token ids, one ``(1, length)`` array per text.

    Raises:
        ExportError: a vector holds NaN or infinity.
    """
    vectors, expected = encode_all(candidate, inputs), encode_all(reference, inputs)
    cosines = np.sum(vectors.astype(np.float64) * expected, axis=1)
    return Comparison(len(inputs), float(cosines.mean()), float(cosines.min()))


def encode_all(folder: Path, inputs: Sequence[npt.NDArray[np.int64]]) -> Vectors:
    """Encode all inputs to ``(n, dimension)``, as the encoder does on this machine.

    Raises:
        ExportError: a vector holds NaN or infinity.
    """
    session = OnnxSession.of(folder)
    try:
        return np.concatenate([session.run(input_ids) for input_ids in inputs])
    except EncodingError as error:
        found = "the exported graph returns NaN or infinity"
        raise ExportError(f"{found}: the checkpoint is damaged or of another kind") from error

"""model2vec: a table of token vectors distilled from the checkpoint. It runs no transformer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from model2vec import StaticModel

if TYPE_CHECKING:
    import numpy.typing as npt

    from contenders.engine import Settings, Setup

PACKAGES = ("model2vec", "tokenizers", "numpy")
MAX_TOKENS = 512


def prepare(setup: Setup, texts: list[str]) -> None:
    """Distil with the library's defaults, from the checkpoint alone."""
    del texts
    from model2vec.distill import distill  # noqa: PLC0415 - it imports torch, loading does not

    distill(str(setup.checkpoint)).save_pretrained(setup.work / "model2vec")


def load(setup: Setup) -> StaticEngine:
    """Load the table."""
    return StaticEngine(StaticModel.from_pretrained(setup.work / "model2vec"))


class StaticEngine:
    """A loaded table; a batch size changes next to nothing, but is tuned like everyone's."""

    def __init__(self, model: StaticModel) -> None:
        self.model = model
        self.batch_size = 1024

    def candidates(self) -> list[Settings]:
        """Batch sizes, the library's default first."""
        return [{"batch_size": size} for size in (1024, 32, 128)]

    def use(self, settings: Settings) -> None:
        """Take a batch size."""
        self.batch_size = int(settings["batch_size"])

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Encode, and normalise to unit length."""
        vectors = self.model.encode(texts, max_length=MAX_TOKENS, batch_size=self.batch_size)
        return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True).clip(1e-12), dtype=np.float32)

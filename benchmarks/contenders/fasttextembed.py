"""fasttextembed, an engine in C that is compiled for bge-small's shape alone, with the benchmark's checkpoint."""

from __future__ import annotations

from typing import TYPE_CHECKING

import fasttextembed
import numpy as np

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from contenders.engine import Settings, Setup

PACKAGES = ("fasttextembed", "numpy")


def prepare(setup: Setup, texts: list[str]) -> None:
    """Write the checkpoint in the engine's own format; it has no INT8."""
    del texts
    from lib.formats.fte_file import write_fte  # noqa: PLC0415 - loading does without the packages it needs

    write_fte(setup.checkpoint, _folder(setup))


def load(setup: Setup) -> FasttextembedEngine:
    """Load the two files."""
    folder = _folder(setup)
    model = fasttextembed.TextEmbedding(str(folder / "model.fte"), str(folder / "vocab.tsv"))
    return FasttextembedEngine(model, setup.threads)


def _folder(setup: Setup) -> Path:
    return setup.work / "fasttextembed"


class FasttextembedEngine:
    """A loaded model. It computes text by text: several at once, or one with every thread."""

    def __init__(self, model: fasttextembed.TextEmbedding, threads: int) -> None:
        self.model = model
        self.threads = threads
        self.settings: Settings = {}

    def candidates(self) -> list[Settings]:
        """A thread for each text, as the library has it, or all threads for one text after the other."""
        return [{"threads_for": "texts"}, {"threads_for": "one text"}]

    def use(self, settings: Settings) -> None:
        """Take a way."""
        self.settings = settings

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Encode to numpy."""
        if self.settings["threads_for"] == "one text":
            return np.array([self.model.embed_one(text) for text in texts], dtype=np.float32)
        return np.array(self.model.embed(texts, threads=self.threads), dtype=np.float32)

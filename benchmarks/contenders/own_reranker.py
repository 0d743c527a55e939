"""This project's reranker, with its default settings. The first text is the query, the others are ranked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin import EncoderSettings, Reranker

if TYPE_CHECKING:
    from pathlib import Path

    from contenders.engine import Settings, Setup
    from embed_plugin import Scores

PACKAGES = ("embed-plugin", "onnxruntime", "tokenizers", "numpy")


def prepare(setup: Setup, texts: list[str]) -> None:
    """Export as a user does, but for the floor: random weights have no ranking to keep."""
    del texts
    from embed_plugin.export import ExportSettings, export  # noqa: PLC0415 - not a part of the start

    settings = ExportSettings(precision="fp32" if setup.variant == "fp32" else "int8", min_cosine=-1, overwrite=True)
    export(str(setup.checkpoint), _folder(setup), settings)


def load(setup: Setup) -> OwnReranker:
    """Load the model folder."""
    return OwnReranker(Reranker.load(_folder(setup), EncoderSettings(workers=setup.threads)))


def _folder(setup: Setup) -> Path:
    return setup.work / f"embed-plugin-{setup.variant}"


class OwnReranker:
    """The reranker; it has nothing to tune."""

    def __init__(self, reranker: Reranker) -> None:
        self.reranker = reranker

    def candidates(self) -> list[Settings]:
        """The defaults alone."""
        return [{}]

    def use(self, settings: Settings) -> None:
        """Nothing to set."""

    def encode(self, texts: list[str]) -> Scores:
        """Score the texts behind the first one for it."""
        return self.reranker.score(texts[0], texts[1:])

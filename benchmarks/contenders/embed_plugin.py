"""This project's encoder, with its default settings."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin import Encoder, EncoderSettings

if TYPE_CHECKING:
    from pathlib import Path

    from contenders.engine import Settings, Setup
    from embed_plugin import Vectors

PACKAGES = ("embed-plugin", "onnxruntime", "tokenizers", "numpy")


def prepare(setup: Setup, texts: list[str]) -> None:
    """Export as a user does: INT8 is calibrated on the built-in texts, not on the benchmark's."""
    del texts
    from embed_plugin.export import ExportSettings, export  # noqa: PLC0415 - not a part of the encoder's start

    settings = ExportSettings(precision="fp32" if setup.variant == "fp32" else "int8", overwrite=True)
    export(str(setup.checkpoint), _folder(setup), settings)


def load(setup: Setup) -> OwnEngine:
    """Load the model folder."""
    return OwnEngine(Encoder.load(_folder(setup), EncoderSettings(workers=setup.threads)))


def _folder(setup: Setup) -> Path:
    return setup.work / f"embed-plugin-{setup.variant}"


class OwnEngine:
    """The encoder; it has nothing to tune."""

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder

    def candidates(self) -> list[Settings]:
        """The defaults alone."""
        return [{}]

    def use(self, settings: Settings) -> None:
        """Nothing to set."""

    def encode(self, texts: list[str]) -> Vectors:
        """Encode as documents."""
        return self.encoder.encode_documents(texts)

"""fastembed's TextCrossEncoder with the benchmark's checkpoint as a custom model. The first text is the query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from fastembed.common.model_description import ModelSource
from fastembed.rerank.cross_encoder import TextCrossEncoder

from contenders.engine import BATCH_SIZES

if TYPE_CHECKING:
    import numpy.typing as npt

    from contenders.engine import Settings, Setup

PACKAGES = ("fastembed", "onnxruntime", "tokenizers")
DEFAULT_BATCH_SIZE = 64
FP32_GRAPH, INT8_GRAPH = "onnx/model.onnx", "onnx/model_qint8_avx512_vnni.onnx"


def prepare(setup: Setup, texts: list[str]) -> None:
    """The graphs are those that sentence-transformers exports."""
    del texts
    from contenders.cross_encoder import export_onnx  # noqa: PLC0415 - it imports torch, loading does not

    export_onnx(setup)


def load(setup: Setup) -> FastembedReranker:
    """Register the checkpoint as a custom model and load it."""
    name = f"benchmark/{setup.variant}"
    graph = INT8_GRAPH if setup.variant == "onnx-int8" else FP32_GRAPH
    TextCrossEncoder.add_custom_model(model=name, sources=ModelSource(hf=name), model_file=graph)
    folder = str(setup.work / "onnx")
    return FastembedReranker(TextCrossEncoder(name, specific_model_path=folder, threads=setup.threads, cuda=False))


class FastembedReranker:
    """A loaded model; it pads pairs as they come, and gives the raw number. Its batch size is tuned."""

    def __init__(self, model: TextCrossEncoder) -> None:
        self.model = model
        self.batch_size = DEFAULT_BATCH_SIZE

    def candidates(self) -> list[Settings]:
        """Batch sizes, the library's default first."""
        sizes = sorted(BATCH_SIZES, key=lambda size: size != DEFAULT_BATCH_SIZE)
        return [{"batch_size": size} for size in sizes]

    def use(self, settings: Settings) -> None:
        """Take a batch size."""
        self.batch_size = int(settings["batch_size"])

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Score the texts behind the first one for it."""
        scores = list(self.model.rerank(texts[0], texts[1:], batch_size=self.batch_size))
        return np.array(scores, np.float32)

"""fastembed with the benchmark's checkpoint as a custom model."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType

from contenders.engine import BATCH_SIZES, UNTUNED

if TYPE_CHECKING:
    import numpy.typing as npt

    from contenders.engine import Settings, Setup

PACKAGES = ("fastembed", "onnxruntime", "tokenizers")
DEFAULT_BATCH_SIZE = 256
UNTUNED_BATCH_SIZE = 32  # with 256, texts of 512 tokens ran out of 24 GB beside the others
BATCH_SIZES_OF_PROCESSES = (1, 8, 32)
FP32_GRAPH, INT8_GRAPH = "onnx/model.onnx", "onnx/model_qint8_avx512_vnni.onnx"


def prepare(setup: Setup, texts: list[str]) -> None:
    """The graphs are those that sentence-transformers exports."""
    del texts
    from contenders.sentence_transformers import export_onnx  # noqa: PLC0415 - it imports torch, loading does not

    export_onnx(setup)


def load(setup: Setup) -> FastembedEngine:
    """Register the checkpoint as a custom model and load it."""
    name, pooling = f"benchmark/{setup.variant}", json.loads((setup.checkpoint / "1_Pooling/config.json").read_text())
    TextEmbedding.add_custom_model(
        model=name,
        pooling=PoolingType.CLS if pooling["pooling_mode_cls_token"] else PoolingType.MEAN,
        normalization=True,
        sources=ModelSource(hf=name),
        dim=pooling["word_embedding_dimension"],
        model_file=INT8_GRAPH if setup.variant == "onnx-int8" else FP32_GRAPH,
    )
    return FastembedEngine(
        TextEmbedding(name, specific_model_path=str(setup.work / "onnx"), threads=setup.threads, cuda=False),
        setup.threads,
        is_tuned=setup.variant != UNTUNED,
    )


class FastembedEngine:
    """A loaded model; it pads texts as they come. Batch size and processes are tuned, unless told not to be."""

    def __init__(self, model: TextEmbedding, threads: int, *, is_tuned: bool) -> None:
        self.model = model
        self.threads = threads
        self.is_tuned = is_tuned
        self.settings: Settings = {}

    def candidates(self) -> list[Settings]:
        """Batch sizes, the library's default first, in this process and in as many processes as there are threads."""
        if not self.is_tuned:
            return [{"batch_size": UNTUNED_BATCH_SIZE, "processes": 1}]
        one: list[Settings] = [{"batch_size": size, "processes": 1} for size in (DEFAULT_BATCH_SIZE, *BATCH_SIZES)]
        several: list[Settings] = [{"batch_size": size, "processes": self.threads} for size in BATCH_SIZES_OF_PROCESSES]
        return one + several if self.threads > 1 else one

    def use(self, settings: Settings) -> None:
        """Take a batch size and a number of processes."""
        self.settings = settings

    def encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Encode to one array."""
        processes = int(self.settings["processes"])
        vectors = self.model.embed(
            texts, batch_size=int(self.settings["batch_size"]), parallel=processes if processes > 1 else None
        )
        return np.stack(list(vectors)).astype(np.float32)

"""sentence-transformers' CrossEncoder: torch, and its ONNX and OpenVINO backends. The first text is the query."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from sentence_transformers import CrossEncoder

from contenders.engine import BATCH_SIZES

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from contenders.engine import Settings, Setup

PACKAGES = ("sentence-transformers", "torch", "transformers", "onnxruntime", "openvino", "optimum-intel")
DEFAULT_BATCH_SIZE = 32
FP32_GRAPH = "onnx/model.onnx"
INT8_GRAPH = "onnx/model_qint8_avx512_vnni.onnx"


def prepare(setup: Setup, texts: list[str]) -> None:
    """Export for the backends that need it; their INT8 is dynamic and calibrates on nothing."""
    del texts
    if setup.variant.startswith("onnx"):
        export_onnx(setup)
    elif setup.variant == "openvino":
        _export("openvino", setup.checkpoint, setup.work / "openvino")


def export_onnx(setup: Setup) -> Path:
    """A folder with the checkpoint's files, its ONNX graph, and the INT8 graph by the library's own function."""
    from sentence_transformers import export_dynamic_quantized_onnx_model  # noqa: PLC0415 - not a part of the start

    folder = setup.work / "onnx"
    _export("onnx", setup.checkpoint, folder)
    if not (folder / INT8_GRAPH).exists():
        model = CrossEncoder(str(folder), backend="onnx", device="cpu", model_kwargs={"file_name": FP32_GRAPH})
        export_dynamic_quantized_onnx_model(model, "avx512_vnni", str(folder))
    return folder


def _export(backend: Literal["onnx", "openvino"], checkpoint: Path, folder: Path) -> None:
    """Save the checkpoint in a backend's format, once."""
    if folder.exists():
        return
    partial = folder.with_name(f"{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    model = CrossEncoder(str(checkpoint), backend=backend, device="cpu", model_kwargs={"export": True})
    model.save_pretrained(str(partial))
    for name in ("tokenizer.json", "tokenizer_config.json", "special_tokens_map.json"):
        shutil.copy(checkpoint / name, partial / name)
    partial.rename(folder)


def load(setup: Setup) -> CrossEncoderEngine:
    """Load with as many threads as allowed."""
    torch.set_num_threads(setup.threads)
    if setup.variant.startswith("onnx"):
        return CrossEncoderEngine(_load_onnx(setup))
    if setup.variant == "openvino":
        hints = {"INFERENCE_NUM_THREADS": setup.threads, "PERFORMANCE_HINT": "LATENCY"}
        kwargs: dict[str, Any] = {"ov_config": {**hints, "INFERENCE_PRECISION_HINT": "f32"}}
        folder = str(setup.work / "openvino")
        return CrossEncoderEngine(CrossEncoder(folder, backend="openvino", device="cpu", model_kwargs=kwargs))
    return CrossEncoderEngine(CrossEncoder(str(setup.checkpoint), device="cpu"))


def _load_onnx(setup: Setup) -> CrossEncoder:
    import onnxruntime  # noqa: PLC0415 - the other backends do not need it

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = setup.threads
    choices: dict[str, Any] = {
        "provider": "CPUExecutionProvider",
        "session_options": options,
        "file_name": INT8_GRAPH if setup.variant == "onnx-int8" else FP32_GRAPH,
    }
    return CrossEncoder(str(setup.work / "onnx"), backend="onnx", device="cpu", model_kwargs=choices)


class CrossEncoderEngine:
    """A loaded model; it sorts pairs by length and pads each batch. Its batch size is tuned."""

    def __init__(self, model: CrossEncoder) -> None:
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
        pairs = [(texts[0], text) for text in texts[1:]]
        if not pairs:
            return np.empty(0, np.float32)
        scores = self.model.predict(pairs, batch_size=self.batch_size, show_progress_bar=False)
        return np.asarray(scores, np.float32)

"""Run a text encoder's ONNX graph: token ids in, unit vectors out. The encode path's only use of onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import onnxruntime

from embed_plugin.errors import EmbedPluginError, ModelFolderError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.contracts import Vectors

FUSIONS_LEFT_OUT = ("SkipLayerNormFusion",)
"""SkipLayerNormalization is slower on CPU than the Add and LayerNormalization it replaces: 10 x 50 tokens of
int8 all-MiniLM-L6-v2 took 58.7 ms with it, 44.7 ms without (onnxruntime 1.32, Ice Lake, medians of 40)."""


class OnnxSession:
    """One session on one core per call; :meth:`run` may be called by any number of threads at once."""

    def __init__(self, graph: Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # a pattern is kept for every shape seen, and shapes are many
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                str(graph),
                options,
                providers=["CPUExecutionProvider"],
                disabled_optimizers=list(FUSIONS_LEFT_OUT),
            )
        except Exception as error:
            message = f"onnxruntime {onnxruntime.__version__} cannot load {graph} ({error})"
            raise ModelFolderError(f"{message}: export the model again with this version") from error

    def run(self, input_ids: npt.NDArray[np.int64]) -> Vectors:
        """Encode texts of equal token count, ``(n, length)``, to ``(n, dimension)``.

        Raises:
            EmbedPluginError: the graph returned NaN or infinity.
        """
        vectors = cast("Vectors", self._session.run(None, {"input_ids": input_ids})[0])
        if not np.isfinite(vectors).all():
            raise EmbedPluginError("the model returned NaN or infinity: its folder is damaged, export it again")
        return vectors

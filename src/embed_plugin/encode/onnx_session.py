"""Run a text encoder's ONNX graph: token ids in, unit vectors out. The encode path's only use of onnxruntime."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from embed_plugin import kernels
from embed_plugin.encode.instruction_set import detect, saturates
from embed_plugin.errors import EmbedPluginError, InvalidInputError, ModelFolderError
from embed_plugin.model_folder import GRAPH, KERNEL_GRAPH

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.contracts import Vectors

FUSIONS_LEFT_OUT = ("SkipLayerNormFusion",)
"""SkipLayerNormalization is slower on CPU than the Add and LayerNormalization it replaces: 10 x 50 tokens of
int8 all-MiniLM-L6-v2 took 58.7 ms with it, 44.7 ms without (onnxruntime 1.32, Ice Lake, medians of 40)."""


U8U8_KEY = "session.x64quantprecision"
"""onnxruntime's option that turns constant int8 weights into the same integers as uint8 when a graph is loaded.
Release 1.32 does so on CPUs with VNNI too, 1.22 does not: nothing is gained there, and int8 is faster."""


def exact_options(instruction_set: str) -> onnxruntime.SessionOptions:
    """Options of a session whose int8 products are exact on this class of CPU."""
    options = onnxruntime.SessionOptions()
    if saturates(instruction_set):
        options.add_session_config_entry(U8U8_KEY, "1")
    return options


def class_of_vectors(instruction_set: str, library: Path | None) -> str:
    """The class of CPU, and what of :mod:`embed_plugin.kernels` a folder's vectors come from.

    With AMX the int8 products are the same bits, and attention's sums are rounded in another order.
    """
    if library is None:
        return instruction_set
    return f"{instruction_set} with own kernels{' and AMX' if kernels.uses_amx(library) else ''}"


class OnnxSession:
    """One session on one core per call; :meth:`run` may be called by any number of threads at once.

    Attributes:
        instruction_set: The class of CPU it runs on, where its int8 products are exact, and whether with own kernels.
    """

    def __init__(self, graph: Path, instruction_set: str, library: Path | None = None) -> None:
        """Load a graph.

        Args:
            graph: The file.
            instruction_set: The class of CPU, as :func:`~embed_plugin.encode.instruction_set.detect` has it.
            library: The kernels, for a graph that uses them.

        Raises:
            ModelFolderError: onnxruntime cannot load it.
        """
        self.instruction_set = class_of_vectors(instruction_set, library)
        options = exact_options(instruction_set)
        if library is not None:
            options.register_custom_ops_library(str(library))
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

    @classmethod
    def of(cls, folder: Path) -> OnnxSession:
        """The fastest session of a model folder: with own kernels, where they can run here and the folder has a graph.

        Raises:
            ModelFolderError: onnxruntime cannot load the graph.
        """
        library = kernels.library()
        if library is None or not (folder / KERNEL_GRAPH).is_file():
            return cls(folder / GRAPH, detect())
        return cls(folder / KERNEL_GRAPH, detect(), library)

    def run(self, input_ids: npt.NDArray[np.int64]) -> Vectors:
        """Encode texts of equal token count, ``(n, length)``, to ``(n, dimension)``.

        Raises:
            InvalidInputError: onnxruntime refuses the ids: one is beyond the embedding table, say.
            EmbedPluginError: the graph cannot be run, or returned NaN or infinity.
        """
        try:
            vectors = cast("Vectors", self._session.run(None, {"input_ids": input_ids})[0])
        except InvalidArgument as error:
            problem = "the model does not take its tokens, so its tokenizer is another model's: export it again"
            raise InvalidInputError(f"{problem} ({error})") from error
        except Exception as error:
            raise EmbedPluginError(f"onnxruntime {onnxruntime.__version__} cannot run the model: {error}") from error
        if not np.isfinite(vectors).all():
            raise EmbedPluginError("the model returned NaN or infinity: its folder is damaged, export it again")
        return vectors

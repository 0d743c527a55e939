"""Open sessions of onnxruntime and run a text encoder's graph on token ids.

The only module of the package that imports onnxruntime. Every session, in tests too, is opened here, so that its int8
products are exact on this CPU.
"""

from __future__ import annotations

import copy
import ctypes
import logging
import os
import threading
import weakref
from typing import TYPE_CHECKING, cast

import numpy as np
import onnxruntime
from onnxruntime.capi.onnxruntime_pybind11_state import InvalidArgument

from embed_plugin import kernels, telemetry
from embed_plugin.cpu import CpuClass, detect_class
from embed_plugin.errors import EncodingError, InvalidInputError, ModelFolderError
from embed_plugin.model.canaries import Platform
from embed_plugin.model.folder import GRAPH, KERNEL_GRAPH
from embed_plugin.types import RowsOfSeveral

if telemetry.DISABLED:
    onnxruntime.disable_telemetry_events()  # the switch of Windows builds; elsewhere it stops further events
if telemetry.LOADED_BEFORE and tuple(map(int, onnxruntime.__version__.split(".")[:2])) >= (1, 29):
    logging.getLogger(__name__).warning(
        "onnxruntime was imported before embed_plugin and may report its use to Microsoft: set %s=1 in the environment "
        "of this program, or import embed_plugin first",
        telemetry.VARIABLE,
    )

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.types import Rows

FUSIONS_LEFT_OUT = ("SkipLayerNormFusion",)
"""SkipLayerNormalization is slower on CPU than the Add and LayerNormalization it replaces: 10 x 50 tokens of
int8 all-MiniLM-L6-v2 took 58.7 ms with it, 44.7 ms without (onnxruntime 1.32, Ice Lake, medians of 40)."""


U8U8_KEY = "session.x64quantprecision"
"""onnxruntime's option that turns constant int8 weights into the same integers as uint8 when a graph is loaded.
Release 1.32 does so on CPUs with VNNI too, 1.22 does not: nothing is gained there, and int8 is faster."""

ONNXRUNTIME_VERSION: str = onnxruntime.__version__


def open_session(
    graph: Path | bytes,
    *,
    cpu: CpuClass | None = None,
    library: Path | None = None,
    threads: int = 1,
    options: Mapping[str, object] | None = None,
) -> onnxruntime.InferenceSession:
    """Open a session whose int8 products are exact on this class of CPU.

    Args:
        graph: A file, or the bytes of a graph that has its weights inside.
        cpu: The class; None: this machine's, by :func:`~embed_plugin.cpu.detect_class`.
        library: The operators of :mod:`embed_plugin.kernels`, for a graph that uses them.
        threads: Threads of one call, the calling one included. They change no bits.
        options: More attributes of onnxruntime's SessionOptions, by name.

    Raises:
        InvalidInputError: the environment names a class that this CPU does not belong to.
        Exception: onnxruntime cannot load the graph; its errors have no common base.
    """
    chosen = onnxruntime.SessionOptions()
    if (cpu or detect_class()).saturates:
        chosen.add_session_config_entry(U8U8_KEY, "1")
    if threads > 1:
        _widen(chosen, threads)
    if library is not None:
        chosen.register_custom_ops_library(str(library))  # reads the entries above
    chosen.intra_op_num_threads = threads
    chosen.inter_op_num_threads = 1
    chosen.enable_mem_pattern = False  # it would keep a pattern for every shape, and there are many
    chosen.log_severity_level = 3
    for name, value in (options or {}).items():
        setattr(chosen, name, value)
    linked = {} if isinstance(graph, bytes) else linked_weights(graph)
    if linked:
        sizes = [len(file) for file in linked.values()]
        chosen.add_external_initializers_from_files_in_memory(list(linked), list(linked.values()), sizes)
    return onnxruntime.InferenceSession(
        graph if isinstance(graph, bytes) else str(graph),
        chosen,
        providers=["CPUExecutionProvider"],
        disabled_optimizers=list(FUSIONS_LEFT_OUT),
    )


def _widen(options: onnxruntime.SessionOptions, threads: int) -> None:
    """Let the other threads of a call wait for work in a loop, and for some time after it.

    Stopped at its end (``session.force_spinning_stop``), they made the next call slower than on one: 12 tokens after
    a pause of 5 ms took 7.7 ms in fp32 and 0.65 in INT8, without it 2.3 and 0.39, on one thread 3.7 and 0.50 (Zen 5).
    """
    options.add_session_config_entry("session.intra_op.allow_spinning", "1")
    options.add_session_config_entry(kernels.THREADS_ENTRY, str(threads))


def linked_weights(graph: Path) -> dict[str, npt.NDArray[np.uint8]]:
    """Return the bytes of a graph's weight files by name if the graph or a weight file is a link, else an empty dict.

    Hub caches, DVC, git-annex, Nix and Bazel make folders of links. onnxruntime refuses weights behind a link into
    another folder, so it is given their bytes, which :mod:`embed_plugin.model.folder` has verified. It copies those,
    while it maps the files of an ordinary folder.
    """
    weights = sorted(graph.parent.glob("*.onnx.data"))
    if not any(path.is_symlink() for path in (graph, *weights)):
        return {}
    return {path.name: np.memmap(path, dtype=np.uint8, mode="r") for path in weights}


def _require_threads(count: int) -> None:
    """Start so many threads at the same time, and end them: where onnxruntime can start only some, it never returns.

    Raises:
        EncodingError: a limit does not allow so many.
    """
    end = threading.Event()
    started: list[threading.Thread] = []
    try:
        for _ in range(count):
            thread = threading.Thread(target=end.wait)
            thread.start()
            started.append(thread)
    except RuntimeError as error:
        message = f"this process cannot start {count} threads ({error}), of which a session of several has need"
        raise EncodingError(f"{message}: raise its limit (ulimit -u, pids.max), or set workers=1") from error
    finally:
        end.set()
        for thread in started:
            thread.join()


def _keep_in_forked_children(session: onnxruntime.InferenceSession) -> None:
    """Let no forked child end a session of several threads: it would wait for threads that only its parent has."""
    reference = weakref.ref(session)

    def keep() -> None:
        if (found := reference()) is not None:
            ctypes.pythonapi.Py_IncRef(ctypes.py_object(found))

    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=keep)


class OnnxSession:
    """One session; :meth:`run` may be called by any number of threads at once.

    Attributes:
        platform: The class of CPU, kernels and release of onnxruntime that compute its vectors.
    """

    def __init__(
        self,
        graph: Path,
        cpu: CpuClass,
        own: kernels.Kernels | None = None,
        *,
        output: str = "embedding",
        threads: int = 1,
    ) -> None:
        """Load a graph.

        Args:
            graph: The file.
            cpu: The class of CPU.
            own: This package's kernels, for a graph that uses them.
            output: Name of the output that runs compute.
            threads: Threads of one call.

        Raises:
            ModelFolderError: onnxruntime cannot load it.
            EncodingError: so many threads cannot be started.
        """
        if threads > 1:
            _require_threads(threads)
        self._outputs = [output]
        self.platform = Platform(cpu.name, own.name if own else "onnxruntime", ONNXRUNTIME_VERSION)
        try:
            library = own.library if own else None
            self._session = open_session(graph, cpu=cpu, library=library, threads=threads)
        except Exception as error:
            message = f"onnxruntime {ONNXRUNTIME_VERSION} cannot load {graph} ({error})"
            raise ModelFolderError(f"{message}: export the model again with this version") from error

        if threads > 1:
            _keep_in_forked_children(self._session)

    @classmethod
    def of(cls, folder: Path, output: str = "embedding", *, threads: int = 1) -> OnnxSession:
        """Open the fastest session of a model folder: with own kernels, if they run here and it has a graph for them.

        Args:
            folder: The folder.
            output: Name of the output that runs compute.
            threads: Threads of one call.

        Raises:
            ModelFolderError: onnxruntime cannot load the graph.
            InvalidInputError: the environment names a class that this CPU does not belong to.
        """
        cpu = detect_class()
        own = kernels.choose(cpu)
        if own.library is None or not (folder / KERNEL_GRAPH).is_file():
            return cls(folder / GRAPH, cpu, output=output, threads=threads)
        return cls(folder / KERNEL_GRAPH, cpu, own, output=output, threads=threads)

    def giving(self, *outputs: str) -> OnnxSession:
        """Return the same session, whose runs compute other outputs."""
        other = copy.copy(self)
        other._outputs = list(outputs)
        return other

    def run(self, input_ids: npt.NDArray[np.int64]) -> Rows:
        """Run texts of equal token count, ``(n, length)``; returns the graph's output, one row per text.

        Raises:
            InvalidInputError: onnxruntime refuses the ids: one is beyond the embedding table, say.
            EncodingError: the graph cannot be run, or returned NaN or infinity.
        """
        return self.run_all(input_ids).outputs[0]

    def run_all(self, input_ids: npt.NDArray[np.int64]) -> RowsOfSeveral:
        """:meth:`run` for all outputs that the session gives."""
        try:
            outputs = cast("list[Rows]", self._session.run(self._outputs, {"input_ids": input_ids}))
        except InvalidArgument as error:
            problem = "the model does not take its tokens, so its tokenizer is another model's: export it again"
            raise InvalidInputError(f"{problem} ({error})") from error
        except Exception as error:
            raise EncodingError(f"onnxruntime {ONNXRUNTIME_VERSION} cannot run the model: {error}") from error
        if not all(np.isfinite(rows).all() for rows in outputs):
            raise EncodingError("the model returned NaN or infinity: its folder is damaged, export it again")
        return RowsOfSeveral(outputs)

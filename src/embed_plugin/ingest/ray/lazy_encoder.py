"""An encoder that pickles small and is loaded in the process that uses it."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ray import cloudpickle

from embed_plugin.encode import Encoder, EncoderSettings
from embed_plugin.encode.kinds.late_interaction_encoder import LateInteractionEncoder
from embed_plugin.encode.kinds.sparse_encoder import SparseEncoder
from embed_plugin.ingest.ray.cluster import assigned_cpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.protocols import TextEncoder


class LazyEncoder:
    """Pickles in a few bytes; :meth:`load` loads the encoder in the process that calls it first.

    It has a thread for each CPU that Ray assigned to that process, however many the machine has. A model folder that
    gives other vectors on that machine is an error here and not a warning, which would go unread in a worker's log.

    Args:
        encoder: A model folder, at the same path on each machine; the hub id of a model that was prepared on each; or
            an encoder: one of a model folder is sent as its path, any other by pickle.
    """

    def __init__(self, encoder: TextEncoder | str | os.PathLike[str]) -> None:
        self._make: Callable[..., TextEncoder]
        self._arguments: tuple[Any, ...]
        if isinstance(encoder, str | os.PathLike):
            self._make, self._arguments = Encoder.load, (_for_any_folder(encoder), EncoderSettings())
        elif isinstance(encoder, Encoder):
            self._make, self._arguments = encoder.__reduce__()
        else:
            self._make, self._arguments = pickle.loads, (cloudpickle.dumps(encoder),)
        self.__setstate__({})

    def __getstate__(self) -> dict[str, object]:
        return {"_make": self._make, "_arguments": self._arguments}

    def __setstate__(self, state: dict[str, object]) -> None:
        self.__dict__.update(state)
        self._lock = Lock()
        self._loaded: TextEncoder | None = None

    def load(self) -> TextEncoder:
        """Return the encoder, the same one each time.

        Raises:
            ModelFolderError: the folder does not exist, cannot be used, or gives other vectors on this machine.
        """
        with self._lock:
            if self._loaded is None:
                cpus = assigned_cpus()
                if cpus is not None:
                    os.environ.setdefault("RAYON_NUM_THREADS", str(cpus))  # else tokenizers uses all CPUs
                self._loaded = self._make(*(_for_cpus(argument, cpus) for argument in self._arguments))
            return self._loaded


def pickled_sink(sink: Sink, *, cpus: int) -> bytes:
    """Pickle a sink; the models in it are sent as folders, and are loaded with a thread for each of these CPUs."""
    file = BytesIO()
    _ModelPickler(file, cpus).dump(sink)
    return file.getvalue()


class _ModelPickler(pickle.Pickler):
    """Pickles models for a process that has so many CPUs."""

    def __init__(self, file: BytesIO, cpus: int) -> None:
        super().__init__(file)
        self._cpus = cpus

    def reducer_override(self, found: object) -> Any:  # noqa: ANN401 - of pickle
        """Change the settings of a model; everything else is pickled as ever."""
        if not isinstance(found, SparseEncoder | LateInteractionEncoder):
            return NotImplemented
        make, arguments = found.__reduce__()
        return make, tuple(_for_cpus(argument, self._cpus) for argument in arguments)


def _for_any_folder(model: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """Make a path absolute, because a worker's working folder is another."""
    return Path(model).absolute() if Path(model).exists() else model


def _for_cpus(argument: object, cpus: int | None) -> object:
    if not isinstance(argument, EncoderSettings):
        return argument
    other_cpu = "error" if argument.on_other_cpu == "warn" else argument.on_other_cpu
    return replace(argument, workers=argument.workers or cpus, on_other_cpu=other_cpu)

"""An encoder on its way to another process."""

from __future__ import annotations

import os
import pickle
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from ray import cloudpickle

from embed_plugin.encode import Encoder, EncoderSettings
from embed_plugin.ingest.ray.cluster import assigned_cpus

if TYPE_CHECKING:
    from collections.abc import Callable

    from embed_plugin.protocols import TextEncoder


class LazyEncoder:
    """Pickles in a few bytes, and is loaded in the process, and at the moment, in which it is first asked for.

    It then has a thread for each CPU that Ray gave that process, however many the machine has. A model folder that
    would give other vectors on that machine is refused, where elsewhere it warns: nobody reads what a worker says.

    Args:
        encoder: A model folder, which has to be at the same path on each machine; the hub id of a model that was
            prepared on each; or an encoder, of which a folder goes by its path, and whatever else by pickle.
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
        """The encoder, the same one each time.

        Raises:
            ModelFolderError: the folder is not there, cannot be used, or gives other vectors on this machine.
        """
        with self._lock:
            if self._loaded is None:
                cpus = assigned_cpus()
                if cpus is not None:
                    os.environ.setdefault("RAYON_NUM_THREADS", str(cpus))  # tokenizers would go by the machine's
                self._loaded = self._make(*(_for_cpus(argument, cpus) for argument in self._arguments))
            return self._loaded


def _for_any_folder(model: str | os.PathLike[str]) -> str | os.PathLike[str]:
    """A path that means the same whatever folder the worker is started in."""
    return Path(model).absolute() if Path(model).exists() else model


def _for_cpus(argument: object, cpus: int | None) -> object:
    if not isinstance(argument, EncoderSettings):
        return argument
    other_cpu = "error" if argument.on_other_cpu == "warn" else argument.on_other_cpu
    return replace(argument, workers=argument.workers or cpus, on_other_cpu=other_cpu)

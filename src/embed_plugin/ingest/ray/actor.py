"""A worker's own process: it holds an encoder and a sink, from its first window on."""

from __future__ import annotations

import pickle
import socket
from threading import Lock
from typing import TYPE_CHECKING

from embed_plugin.errors import ModelFolderError, TargetError
from embed_plugin.ingest.window.workers import LocalWorkers, RunContext

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.ray.lazy_encoder import LazyEncoder
    from embed_plugin.ingest.records import Record
    from embed_plugin.ingest.settings import IngestSettings
    from embed_plugin.ingest.stores.sink import Sink
    from embed_plugin.ingest.window.workers import Outcome


class Actor:
    """Does whole windows, several at once, in the stages of ``LocalWorkers``."""

    def __init__(self, encoder: LazyEncoder, sink: bytes, settings: IngestSettings) -> None:
        self._about = encoder, sink, settings
        self._starting = Lock()
        self._threads: LocalWorkers | None = None

    def ready(self) -> None:
        """Answer, which only a process that has started does."""

    def do(self, records: Sequence[Record]) -> Outcome:
        """Do a window, to the end."""
        with self._starting:
            self._threads = self._threads or start_here(*self._about)
        return self._threads.start(records).result()


def start_here(encoder: LazyEncoder, sink: bytes, settings: IngestSettings) -> LocalWorkers:
    """Load an encoder, connect a pickled sink, and start to work in this process, one of a cluster.

    Raises:
        ModelFolderError: the model folder cannot be used on this machine.
        SpaceMismatchError: the folder here is another one than that with which the collection was prepared.
        TargetError: the store cannot be reached from here, or the collection is not there.
    """
    try:
        loaded = encoder.load()
        opened: Sink = pickle.loads(sink)  # noqa: S301 - our own
        exists = opened.check(loaded)
    except (ModelFolderError, TargetError) as error:
        raise type(error)(f"on the machine {socket.gethostname()}: {error}") from error
    if not exists and not settings.dry_run:
        message = f"the collection {opened.collection!r} is not there: make it first, with sink.prepare(encoder)"
        raise TargetError(message)
    return LocalWorkers(RunContext(loaded, opened, settings, settings.chunker(loaded), exists))

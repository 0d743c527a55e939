"""The process of a worker: it loads an encoder and connects a sink with its first window."""

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
    """Processes windows, several at once, with ``LocalWorkers``."""

    def __init__(self, encoder: LazyEncoder, sink: bytes, settings: IngestSettings) -> None:
        self._about = encoder, sink, settings
        self._starting = Lock()
        self._threads: LocalWorkers | None = None

    def ready(self) -> None:
        """Return; a call of this succeeds once the process has started."""

    def process(self, records: Sequence[Record]) -> Outcome:
        """Process a window until it is stored."""
        with self._starting:
            self._threads = self._threads or start_here(*self._about)
        return self._threads.start(records).result()


def start_here(encoder: LazyEncoder, sink: bytes, settings: IngestSettings) -> LocalWorkers:
    """Load an encoder, connect a pickled sink, and start workers in this process of the cluster.

    Raises:
        ModelFolderError: the model folder cannot be used on this machine.
        SpaceMismatchError: the folder on this machine is not the one that the collection was prepared with.
        TargetError: the store cannot be reached from this machine, or the collection does not exist.
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
    return LocalWorkers(
        RunContext(loaded, opened, settings, settings.chunker(loaded).with_context(opened.context), exists)
    )

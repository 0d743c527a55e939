"""A verified model folder that can be opened again, after a fork or in another process, only as the same model."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from embed_plugin.encode.session import OnnxSession
from embed_plugin.encode.tokenizer import TextTokenizer
from embed_plugin.errors import ModelFolderError
from embed_plugin.model.folder import GRAPH, TOKENIZER, read_model_folder
from embed_plugin.model.kinds import KINDS
from embed_plugin.process_local import ProcessLocal

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.types import Kind

LARGEST_COPY_BYTES = 512 << 20
"""Largest file of weights that is opened a second time: onnxruntime packs fp32 weights anew for each session."""


class OpenedFolder:
    """A verified model folder. Models of several kinds that are loaded from one share its sessions and its tokenizer.

    Attributes:
        path: Its absolute path, whatever working folder it was loaded from.
        spec: The facts in its manifest.
        opening_seconds: Time that opening its session of one thread took; 0 before.
    """

    def __init__(self, path: Path, fingerprint: str | None = None) -> None:
        """Verify a folder.

        Args:
            path: The folder.
            fingerprint: The identity it must have; None for any.

        Raises:
            ModelFolderError: it is missing or damaged, or holds another model.
        """
        self.path = path.absolute()
        self._fingerprint = fingerprint
        self._sessions = ProcessLocal[_Sessions]()
        self.opening_seconds = 0.0
        self._verify()

    @cached_property
    def tokenizer(self) -> TextTokenizer:
        """The model's tokenizer, which is read once.

        Raises:
            ModelFolderError: it cannot be read.
        """
        return TextTokenizer(self.path / TOKENIZER, max_tokens=self.spec.max_tokens)

    def open_session(self, *kinds: Kind, threads: int = 1) -> OnnxSession:
        """Return a session, the one that this process has open if it has; verify the folder again first if it changed.

        Args:
            kinds: Kinds of the results that it computes; none: the model's first.
            threads: Threads of one call.

        Raises:
            ModelFolderError: the folder holds another model now, or onnxruntime cannot load it.
        """
        if self._files != _files(self.path):
            self._verify()
        outputs = [KINDS[kind].output for kind in kinds or self.spec.kinds[:1]]
        here = self._sessions.get(_Sessions)
        with here.lock:
            if threads not in here.by_threads:
                here.by_threads[threads] = self._open(threads)
            return here.by_threads[threads].giving(*outputs)

    def _open(self, threads: int) -> OnnxSession:
        started = time.perf_counter()
        session = OnnxSession.of(self.path, threads=threads)
        if self._files != _files(self.path):
            raise ModelFolderError(f"{self.path} was written to while it was loaded: load it when its export has ended")
        if threads == 1:
            self.opening_seconds = time.perf_counter() - started
        return session

    def can_be_wide(self, session: OnnxSession) -> bool:
        """Report if a second session, of several threads, would make texts faster and be no burden to memory.

        onnxruntime's own int8 operators are left out, for they gain nothing.
        """
        if session.platform.has_own_kernels:
            return True
        weights = (self.path / GRAPH).with_suffix(".onnx.data")
        return self.spec.precision == "fp32" and weights.is_file() and weights.stat().st_size <= LARGEST_COPY_BYTES

    def open_wide(self, like: OnnxSession, *kinds: Kind, threads: int) -> OnnxSession:
        """Open another session like one of this folder, of several threads.

        Raises:
            ModelFolderError: as :meth:`open_session`; or the environment names another instruction set by now.
            EncodingError: so many threads cannot be started.
        """
        wide = self.open_session(*kinds, threads=threads)
        if wide.platform != like.platform:
            raise ModelFolderError(f"the model was loaded for {like.platform}, and now would be for {wide.platform}")
        return wide

    def _verify(self) -> None:
        self._files = _files(self.path)
        self.spec = read_model_folder(self.path)
        if self._fingerprint not in {None, self.spec.fingerprint}:
            raise ModelFolderError(
                f"{self.path} holds another model than when it was first loaded (fingerprint {self.spec.fingerprint}, "
                f"expected {self._fingerprint}): start the program again, and give each export a folder of its own"
            )
        self._fingerprint = self.spec.fingerprint


@dataclass(frozen=True)
class _Sessions:
    """The sessions that a process has open, by their threads, and a lock that a forked child does not inherit."""

    by_threads: dict[int, OnnxSession] = field(default_factory=dict)
    lock: threading.Lock = field(default_factory=threading.Lock)


def _files(folder: Path) -> list[tuple[str, int, int, int, int]]:
    """Return what changes when a file is written or replaced: its name, inode, size and times.

    The last of the times is that of its creation on Windows, and that of its last change elsewhere.
    """
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return []  # read_model_folder raises the error that explains it
    return [(name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found]

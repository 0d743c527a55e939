"""A verified model folder that can be opened again, after a fork or in another process, only as the same model."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.encode.session import OnnxSession
from embed_plugin.errors import ModelFolderError
from embed_plugin.model.folder import read_model_folder

if TYPE_CHECKING:
    from pathlib import Path


class OpenedFolder:
    """A verified model folder.

    Attributes:
        path: Its absolute path, whatever working folder it was loaded from.
        spec: The facts in its manifest.
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
        self._verify()

    def open_session(self) -> OnnxSession:
        """Open a session; verify the folder again first if its files were written or replaced.

        Raises:
            ModelFolderError: the folder holds another model now, or onnxruntime cannot load it.
        """
        if self._files != _files(self.path):
            self._verify()
        session = OnnxSession.of(self.path)
        if self._files != _files(self.path):
            raise ModelFolderError(f"{self.path} was written to while it was loaded: load it when its export has ended")
        return session

    def _verify(self) -> None:
        self._files = _files(self.path)
        self.spec = read_model_folder(self.path)
        if self._fingerprint not in {None, self.spec.fingerprint}:
            raise ModelFolderError(
                f"{self.path} holds another model than when it was first loaded (fingerprint {self.spec.fingerprint}, "
                f"expected {self._fingerprint}): start the program again, and give each export a folder of its own"
            )
        self._fingerprint = self.spec.fingerprint


def _files(folder: Path) -> list[tuple[str, int, int, int, int]]:
    """Return what changes when a file is written or replaced: its name, inode, size and times.

    The last of the times is that of its creation on Windows, and that of its last change elsewhere.
    """
    try:
        found = [(path.name, path.stat()) for path in sorted(folder.iterdir())]
    except OSError:
        return []  # read_model_folder raises the error that explains it
    return [(name, stat.st_ino, stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for name, stat in found]

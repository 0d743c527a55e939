"""Read the weights of a checkpoint by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.tensors import open_tensors, read_from

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.export.adapters.adapter import Adapter
    from embed_plugin.export.checkpoint.description import CheckpointDescription

_TASK_HEADS = ("pooler.", "cls.", "lm_head.", "classifier.", "qa_outputs.", "predictions.")
_BUFFERS = (".position_ids", ".token_type_ids", ".inv_freq")

_OTHER_LAYOUT = "they belong to code of the model's own (auto_map), which is never run, and no exporter can make it"


class Weights:
    """The tensors of one or more files, read one at a time as float32."""

    def __init__(
        self,
        checkpoint: CheckpointDescription,
        *,
        word_table: str,
        prefixes: Sequence[str],
        left_out: Sequence[str] = (),
        adapter: Adapter | None = None,
        blocks: Callable[[str], tuple[str, ...]] | None = None,
    ) -> None:
        """List the tensors; none is read yet.

        Args:
            checkpoint: The checkpoint.
            word_table: Name of the word embeddings, by which the prefix of all names is found.
            prefixes: The prefixes that names may have, as classes with other layers on top save them.
            left_out: The beginnings of names, behind the prefix, of weights that take no part in the token vectors.

            adapter: Changes the tensors as they are read; None: nothing does.
            blocks: Names for the adapter of the equal blocks of rows of a tensor; None: one block, of its own name.

        Raises:
            ExportError: there are no word embeddings under any of the prefixes.
        """
        self.folder = checkpoint.encoder
        self._file_of: dict[str, Path] = {}
        self._used: set[str] = set()
        self._left_out = (*_TASK_HEADS, *left_out)
        self._adapter = adapter
        self._prefixes = prefixes
        self._blocks = blocks or (lambda name: (name,))
        self._files = {path: open_tensors(path) for path in checkpoint.weight_files()}
        for path, file in self._files.items():
            self._file_of.update(dict.fromkeys(file.names(), path))
        self._prefix = self._find_prefix(word_table, prefixes)

    def _find_prefix(self, word_table: str, prefixes: Sequence[str]) -> str:
        for prefix in prefixes:
            if self._stored(f"{prefix}{word_table}") in self._file_of:
                return prefix
        found = ", ".join(sorted(self._file_of)[:3]) or "no tensor at all"
        message = f"the weights in {self.folder} hold no {word_table} (found {found}, ...)"
        raise ExportError(f"{message}: {_OTHER_LAYOUT}")

    def _stored(self, name: str) -> str:
        """The name in the files of a tensor, which an adapter there may have changed."""
        return name if self._adapter is None or name in self._file_of else self._adapter.original(name)

    def __call__(self, name: str) -> npt.NDArray[np.float32]:
        """Read one tensor by its name in the checkpoint, as float32 with the adapter, and check that it is finite."""
        tensor = self._read(self._stored(self._prefix + name))
        if self._adapter is not None and not self._adapter.change(tensor, self._names(name), self._read):
            blocks = self._blocks(name)
            for block, rows in zip(blocks, np.split(tensor, len(blocks)), strict=True):  # views: changed in place
                self._adapter.change(rows, self._names(block), self._read)
        return tensor

    def _names(self, name: str) -> list[str]:
        """The names of a tensor with every prefix, the one in the files first."""
        return [prefix + name for prefix in dict.fromkeys((self._prefix, *self._prefixes))]

    def _read(self, name: str) -> npt.NDArray[np.float32]:
        """Read one tensor by its name in the files."""
        if name not in self._file_of:
            message = f"the weights in {self.folder} hold no tensor {name}, which its config.json asks for"
            raise ExportError(f"{message}: the checkpoint is incomplete, fetch it again; or {_OTHER_LAYOUT}")
        self._used.add(name)
        path = self._file_of[name]
        return read_from(self._files[path], path, name)

    def require_all_used(self) -> None:
        """Refuse weights of the encoder, or of the adapter, that the graph does not use: the model has other parts.

        Raises:
            ExportError: there are such tensors.
        """
        if self._adapter is not None:
            self._adapter.require_all_used()
        left = [name for name in sorted(self._file_of.keys() - self._used) if self._is_of_encoder(name)]
        if left:
            found = f"the weights in {self.folder} hold {len(left)} tensors ({', '.join(left[:3])}"
            message = f"{found}{', ...' if left[3:] else ''}) that a model of its config.json has not"
            raise ExportError(
                f"{message}: take config.json and weights of one model, fetched again; or {_OTHER_LAYOUT}"
            )

    def _is_of_encoder(self, name: str) -> bool:
        """Tell if a tensor takes part in the token vectors: no task head and no buffer does."""
        inner = name.removeprefix(self._prefix)
        if self._adapter is not None and self._adapter.owns(name):
            return False
        return name.startswith(self._prefix) and not inner.startswith(self._left_out) and not inner.endswith(_BUFFERS)

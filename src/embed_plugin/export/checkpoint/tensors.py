"""Read files of weights: safetensors, and what torch.save writes, without unpickling it. Neither can run code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Protocol, cast

import numpy as np
from safetensors import SafetensorError, safe_open

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint.files import TORCH_SUFFIXES
from embed_plugin.export.checkpoint.torch_file.archive import TorchFile

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FLOATS = ("F32", "F16", "F64")
"""The number formats that numpy has a type for, as safetensors calls them."""

OLD_NAMES = {"LayerNorm.gamma": "LayerNorm.weight", "LayerNorm.beta": "LayerNorm.bias"}
"""Endings of names in weights that come from TensorFlow's BERT, with what they are today."""

LFS_POINTER = b"version https://git-lfs"
"""The first bytes of a file whose content Git LFS has not fetched."""


class TensorFile(Protocol):
    """An opened file of weights; only the list of its tensors is in memory."""

    def names(self) -> list[str]:
        """The names of all tensors."""

    def dtype(self, name: str) -> str:
        """A tensor's number format, as safetensors calls it."""

    def read(self, name: str) -> npt.NDArray[np.float32]:
        """Read one tensor of a float format as float32."""


def open_tensors(path: Path) -> TensorFile:
    """Open a file of weights, by its suffix.

    Raises:
        SourceError: it cannot be read as what its suffix says.
    """
    file: TensorFile = TorchFile(_fetched(path)) if path.suffix in TORCH_SUFFIXES else _Safetensors(path)
    return _Renamed(file) if any(_new_name(name) != name for name in file.names()) else file


def tensor_names(path: Path) -> list[str]:
    """The names of a file's tensors.

    Raises:
        SourceError: it is no readable file of weights.
    """
    return open_tensors(path).names()


def read_tensor(path: Path, name: str) -> npt.NDArray[np.float32]:
    """:func:`read_from` a file that is opened for this one tensor."""
    return read_from(open_tensors(path), path, name)


def read_from(file: TensorFile, path: Path, name: str) -> npt.NDArray[np.float32]:
    """Read one tensor as float32 and check that it is finite.

    Raises:
        ExportError: it holds NaN or infinity, or is packed: its numbers are integers or floats of one byte.
    """
    dtype = file.dtype(name)
    if dtype not in (*FLOATS, "BF16"):
        message = f"{path}: tensor {name} is {dtype}, expected {', '.join(FLOATS)} or BF16"
        raise ExportError(f"{message}: the weights are packed. Give the checkpoint before it was quantised")
    tensor = file.read(name)
    if not np.isfinite(tensor).all():
        raise ExportError(f"tensor {name} holds NaN or infinity: the checkpoint is damaged, fetch it again")
    return tensor


def read_integers(path: Path, name: str) -> npt.NDArray[np.int64]:
    """Read one tensor of integers of a safetensors file.

    Raises:
        SourceError: the file cannot be read, or the tensor holds other numbers.
    """
    numbers = _open(path).get_tensor(name)
    if not np.issubdtype(numbers.dtype, np.integer):
        raise SourceError(f"{path}: tensor {name} is {numbers.dtype}, expected integers: fetch the checkpoint again")
    return cast("npt.NDArray[np.int64]", numbers.astype(np.int64))


class _Renamed:
    """A file whose norms have the names of TensorFlow's BERT, by today's names, as transformers reads it."""

    def __init__(self, file: TensorFile) -> None:
        self.file = file
        self.stored = {_new_name(name): name for name in file.names()}

    def names(self) -> list[str]:
        return list(self.stored)

    def dtype(self, name: str) -> str:
        return self.file.dtype(self.stored[name])

    def read(self, name: str) -> npt.NDArray[np.float32]:
        return self.file.read(self.stored[name])


def _new_name(name: str) -> str:
    for old, new in OLD_NAMES.items():
        if name.endswith(old):
            return name.removesuffix(old) + new
    return name


class _Safetensors:
    """An opened safetensors file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.file = _open(path)

    def names(self) -> list[str]:
        return list(self.file.keys())

    def dtype(self, name: str) -> str:
        return str(self.file.get_slice(name).get_dtype())

    def read(self, name: str) -> npt.NDArray[np.float32]:
        if self.dtype(name) == "BF16":
            return _widened(self.path, name)
        return cast("npt.NDArray[np.float32]", self.file.get_tensor(name).astype(np.float32))


def _fetched(path: Path) -> Path:
    """The path, if it is not what a clone without Git LFS has in place of a large file."""
    if path.is_file() and _begins(path, LFS_POINTER):
        raise SourceError(f"{path} is no file of weights; {_remedy(path)}")
    return path


def _widened(path: Path, name: str) -> npt.NDArray[np.float32]:
    """Read a bfloat16 tensor as float32: numpy has no type for it, and it is the upper half of a float32.

    The file is the header's length (8 bytes, little-endian), the header (JSON) and the tensors, whose offsets count
    from the end of the header.
    """
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        tensor = json.loads(file.read(length))[name]
        first, end = tensor["data_offsets"]
        file.seek(8 + length + first)
        halves = np.frombuffer(file.read(end - first), "<u2")
    widened = (halves.astype(np.uint32) << 16).view(np.float32)
    return widened.reshape(tensor["shape"])


def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors has no types
    try:
        return safe_open(str(path), framework="numpy")
    except (SafetensorError, OSError) as error:
        raise SourceError(f"{path} is not a readable safetensors file ({error}); {_remedy(path)}") from error


def _remedy(path: Path) -> str:
    """The remedy for an unreadable file; a clone without Git LFS has a pointer in place of a large file."""
    pointer = path.is_file() and _begins(path, LFS_POINTER)
    return "it only says where Git LFS has the content: run  git lfs pull" if pointer else "fetch it again"


def _begins(path: Path, content: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(content)) == content

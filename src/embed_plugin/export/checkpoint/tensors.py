"""Read safetensors files, the only format of weights that is read: it cannot hold code."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open

from embed_plugin.errors import ExportError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt

FLOATS = ("F32", "F16", "F64")
"""The number formats that numpy has a type for, as safetensors calls them."""

LFS_POINTER = b"version https://git-lfs"
"""The first bytes of a file whose content Git LFS has not fetched."""


def tensor_names(path: Path) -> list[str]:
    """The names of a file's tensors.

    Raises:
        SourceError: it is no readable safetensors file.
    """
    with _open(path) as file:
        return list(file.keys())


def read_tensor(path: Path, name: str) -> npt.NDArray[np.float32]:
    """Read one tensor as float32 and check that it is finite.

    Raises:
        ExportError: it holds NaN or infinity, or is packed: its numbers are integers or floats of one byte.
    """
    with _open(path) as file:
        tensor = _as_float32(file, path, name)
    if not np.isfinite(tensor).all():
        raise ExportError(f"tensor {name} holds NaN or infinity: the checkpoint is damaged, fetch it again")
    return tensor


def _as_float32(file: Any, path: Path, name: str) -> npt.NDArray[np.float32]:  # noqa: ANN401 - safetensors has no types
    dtype = file.get_slice(name).get_dtype()
    if dtype == "BF16":
        return _widened(path, name)
    if dtype not in FLOATS:
        message = f"{path}: tensor {name} is {dtype}, expected {', '.join(FLOATS)} or BF16"
        raise ExportError(f"{message}: the weights are packed. Give the checkpoint before it was quantised")
    return cast("npt.NDArray[np.float32]", file.get_tensor(name).astype(np.float32))


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

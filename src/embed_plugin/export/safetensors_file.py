"""Read safetensors files, the only kind of weights that is read: it cannot hold code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import numpy as np
from safetensors import SafetensorError, safe_open

from embed_plugin.errors import ExportError, SourceError

if TYPE_CHECKING:
    from pathlib import Path

    import numpy.typing as npt


def tensor_names(path: Path) -> list[str]:
    """The names of a file's tensors.

    Raises:
        SourceError: it is no readable safetensors file.
    """
    with _open(path) as file:
        return list(file.keys())


def read_tensor(path: Path, name: str) -> npt.NDArray[np.float32]:
    """One tensor as float32, checked to be finite.

    Raises:
        ExportError: it holds NaN or infinity, or has a number format that numpy cannot read.
    """
    with _open(path) as file:
        tensor = _as_float32(file, name)
    if not np.isfinite(tensor).all():
        raise ExportError(f"tensor {name} holds NaN or infinity: the checkpoint is damaged, fetch it again")
    return tensor


def _as_float32(file: Any, name: str) -> npt.NDArray[np.float32]:  # noqa: ANN401 - safetensors has no types
    if file.get_slice(name).get_dtype() == "BF16":
        message = f"tensor {name} is bfloat16, which numpy cannot read"
        raise ExportError(f"{message}: save the checkpoint as float32 or float16 first, or use --exporter optimum")
    return cast("npt.NDArray[np.float32]", file.get_tensor(name).astype(np.float32))


def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors has no types
    try:
        return safe_open(str(path), framework="numpy")
    except (SafetensorError, OSError) as error:
        raise SourceError(f"{path} is not a readable safetensors file ({error}); fetch it again") from error

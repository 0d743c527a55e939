"""Read the tensors of a head, which lie beside the encoder's, by their whole names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription


def has_head(checkpoint: CheckpointDescription, name: str) -> bool:
    """Tell if the weights hold a tensor of this name."""
    return any(name in tensor_names(path) for path in checkpoint.weight_files())


def read_head(checkpoint: CheckpointDescription, name: str) -> npt.NDArray[np.float32]:
    """Read one tensor as float32.

    Raises:
        ExportError: the weights do not hold it, or it is not finite.
    """
    for path in checkpoint.weight_files():
        if name in tensor_names(path):
            return read_tensor(path, name)
    message = f"the weights in {checkpoint.encoder} hold no tensor {name}, which a model of its config.json has"
    raise ExportError(f"{message}: the checkpoint is incomplete, fetch it again")

"""Read the layer of word weights that lies beside an embedding model's own weights, as in bge-m3."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import SourceError
from embed_plugin.export.checkpoint.files import SPARSE_LINEAR
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from embed_plugin.export.checkpoint.tokenizer import special_ids
from embed_plugin.export.outputs.lexical import LexicalWeights

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.export.checkpoint.description import CheckpointDescription

NAMES = ["bias", "weight"]
SPECIAL = ("cls_token", "eos_token", "pad_token", "unk_token")
"""The tokens without a weight, as FlagEmbedding has them."""


def read_lexical_weights(checkpoint: CheckpointDescription) -> LexicalWeights | None:
    """Read the layer; None: there is none.

    Raises:
        SourceError: the file holds other tensors, or cannot be read.
    """
    layer = read_layer(checkpoint.folder / SPARSE_LINEAR)
    if layer is None:
        return None
    words = checkpoint.config.object().get("vocab_size")
    if type(words) is not int:
        raise SourceError(f"{checkpoint.config.path} says no 'vocab_size': the checkpoint is incomplete")
    return LexicalWeights(*layer, special_ids(checkpoint, SPECIAL), words)


def read_layer(path: Path) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]] | None:
    """Read the weight and the bias of a linear layer that torch saved alone; None: there is no such file.

    Raises:
        SourceError: the file holds other tensors, or cannot be read.
    """
    if not path.is_file():
        return None
    names = sorted(tensor_names(path))
    if names != NAMES:
        found = f"{path} holds {', '.join(names) or 'nothing'}"
        raise SourceError(f"{found}, expected {' and '.join(NAMES)}: fetch the checkpoint again")
    return read_tensor(path, "weight"), read_tensor(path, "bias")

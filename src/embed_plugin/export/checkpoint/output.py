"""Choose the output of a graph: the steps behind the transformer in ``modules.json``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint.description import DENSE, POOLING, STATIC
from embed_plugin.export.checkpoint.files import MODULES, TORCH_WEIGHTS, WEIGHTS
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from embed_plugin.export.outputs.vector import Dense, VectorOutput

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription, JsonFile
    from embed_plugin.export.outputs.vector import DenseActivation
    from embed_plugin.types import Pooling

_POOLINGS: dict[str, Pooling] = {
    "cls": "cls",
    "cls_token": "cls",
    "mean": "mean",
    "mean_tokens": "mean",
    "max": "max",
    "max_tokens": "max",
    "mean_sqrt_len_tokens": "mean",
    "lasttoken": "lasttoken",
}

_ACTIVATIONS: dict[str, DenseActivation] = {
    "torch.nn.modules.linear.Identity": "Identity",
    "torch.nn.modules.activation.Tanh": "Tanh",
    "torch.nn.modules.activation.ReLU": "Relu",
    "torch.nn.modules.activation.GELU": "Gelu",
    "torch.nn.modules.activation.Sigmoid": "Sigmoid",
}

SCALED_MEAN = "mean_sqrt_len_tokens"
"""The sum of the token vectors over the root of their number: the mean but for its length, which normalising sets."""

_ORDER = (STATIC, "Transformer", POOLING, DENSE, "Normalize")


def read_output(checkpoint: CheckpointDescription) -> VectorOutput:
    """Read pooling and dense layers; a checkpoint that states none pools by the mean, as sentence-transformers does.

    Raises:
        ExportError: it has a step that the graph lacks: another pooling, activation or module, or another order.
        SourceError: a file of a step is missing or damaged.
    """
    listed, kinds = checkpoint.folder / MODULES, checkpoint.kinds
    others = ", ".join(sorted(set(kinds) - set(_ORDER)))
    if others:
        raise ExportError(f"{listed} lists {others}, which the graph would leave out")
    if kinds != sorted(kinds, key=_ORDER.index):
        raise ExportError(f"{listed} has the order {', '.join(kinds)}; expected {', '.join(_ORDER)}")
    if STATIC in kinds and {"Transformer", POOLING} & set(kinds):
        raise ExportError(f"{listed} lists {', '.join(kinds)}; a static embedding is no step before others")
    if kinds and POOLING not in kinds and STATIC not in kinds:
        found = f"{listed} lists {', '.join(kinds)} and no Pooling"
        raise ExportError(f"{found}: nothing says how token vectors become one. Give an embedding model")
    mode = _read_pooling(checkpoint.pooling)
    if mode == SCALED_MEAN and DENSE in kinds:
        found = f"{checkpoint.pooling.path} asks for {SCALED_MEAN}, and a dense layer follows"
        raise ExportError(f"{found}: what it makes of the scaled mean is not what it makes of the mean, which is built")
    dense = [module.settings for module in checkpoint.modules if module.kind == DENSE]
    return VectorOutput(_POOLINGS[mode], tuple(_read_dense(settings) for settings in dense if settings))


def _read_pooling(settings: JsonFile) -> str:
    """The one mode of a pooling, by its name in :data:`_POOLINGS`."""
    if not settings.is_there:
        return "mean"
    path, config = settings.path, settings.object()
    stated = config.get("pooling_mode")  # one mode or more; older releases have a key for each mode instead
    modes = stated if isinstance(stated, list) else [stated] if stated else []
    modes = modes or [key for key, value in config.items() if key.startswith("pooling_mode_") and value is True]
    known = str(modes[0]).removeprefix("pooling_mode_") if len(modes) == 1 else ""
    if known not in _POOLINGS:
        wanted = "cls, mean, max or lasttoken, one of them"
        raise ExportError(f"{path} asks for {modes or 'no pooling'}; the graph pools by {wanted}")
    if config.get("include_prompt", True) is not True:
        raise ExportError(f"{path} leaves the prefix out of the mean (include_prompt), which the graph does not")
    return known


def _read_dense(settings: JsonFile) -> Dense:
    """One dense layer; its weights are beside its settings."""
    path, config = settings.path, settings.object()
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in _ACTIVATIONS:
        raise ExportError(f"{path} has the activation {activation!r}; the graph knows {', '.join(_ACTIVATIONS)}")
    ends = {config.get(name) or "sentence_embedding" for name in ("module_input_name", "module_output_name")}
    if ends != {"sentence_embedding"}:
        raise ExportError(f"{path} is about {', '.join(sorted(ends))}; the graph projects the text's vector alone")
    weights = dense_weights(path.parent)
    names = tensor_names(weights)
    expected = ["linear.bias", "linear.weight"] if config.get("bias", True) else ["linear.weight"]
    if sorted(names) != expected:
        found = f"{weights} holds {', '.join(sorted(names)) or 'nothing'}"
        raise SourceError(f"{found}, expected {', '.join(expected)}: fetch the checkpoint again")
    bias = read_tensor(weights, "linear.bias") if len(expected) > 1 else None
    return Dense(read_tensor(weights, "linear.weight"), bias, _ACTIVATIONS[activation])


def dense_weights(folder: Path) -> Path:
    """The file of a dense layer's weights: safetensors, or what torch saved where there is none."""
    torch_file = folder / TORCH_WEIGHTS
    return torch_file if torch_file.is_file() and not (folder / WEIGHTS).is_file() else folder / WEIGHTS

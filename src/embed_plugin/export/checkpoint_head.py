"""Read what a checkpoint does with its token vectors: ``modules.json`` and the folders it lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.checkpoint_files import WEIGHTS, read_modules, read_object
from embed_plugin.export.head import Dense, Head
from embed_plugin.export.safetensors_file import read_tensor, tensor_names

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.contracts import Pooling
    from embed_plugin.export.head import DenseActivation

_POOLINGS: dict[str, Pooling] = {
    "cls": "cls",
    "cls_token": "cls",
    "mean": "mean",
    "mean_tokens": "mean",
    "max": "max",
    "max_tokens": "max",
    "lasttoken": "lasttoken",
}

_ACTIVATIONS: dict[str, DenseActivation] = {
    "torch.nn.modules.linear.Identity": "Identity",
    "torch.nn.modules.activation.Tanh": "Tanh",
    "torch.nn.modules.activation.ReLU": "Relu",
    "torch.nn.modules.activation.GELU": "Gelu",
    "torch.nn.modules.activation.Sigmoid": "Sigmoid",
}

_ORDER = ("Transformer", "Pooling", "Dense", "Normalize")


def read_head(folder: Path) -> Head:
    """Read pooling and dense layers; a checkpoint that says nothing pools by the mean, as sentence-transformers has it.

    Raises:
        ExportError: it has a step that the graph has not: another pooling, activation or module, or another order.
        SourceError: a file of a step is missing or damaged.
    """
    modules = read_modules(folder)
    kinds = [kind for kind, _ in modules]
    others = ", ".join(sorted(set(kinds) - set(_ORDER)))
    if others:
        raise ExportError(f"{folder / 'modules.json'} lists {others}, which the graph would leave out")
    if kinds != sorted(kinds, key=_ORDER.index):
        raise ExportError(f"{folder / 'modules.json'} has the order {', '.join(kinds)}; expected {', '.join(_ORDER)}")
    pooling = _read_pooling(folder / dict(modules).get("Pooling", "1_Pooling") / "config.json")
    return Head(pooling, tuple(_read_dense(folder / path) for kind, path in modules if kind == "Dense"))


def _read_pooling(path: Path) -> Pooling:
    if not path.exists():
        return "mean"
    config = read_object(path)
    modes = [key for key, value in config.items() if key.startswith("pooling_mode") and value is True]
    modes += [config["pooling_mode"]] if isinstance(config.get("pooling_mode"), str) else []
    known = modes[0].removeprefix("pooling_mode_") if len(modes) == 1 else ""
    if known not in _POOLINGS:
        wanted = "cls, mean, max or lasttoken, one of them"
        raise ExportError(f"{path} asks for {modes or 'no pooling'}; the graph pools by {wanted}")
    if config.get("include_prompt", True) is not True:
        raise ExportError(f"{path} leaves the prefix out of the mean (include_prompt), which the graph does not")
    return _POOLINGS[known]


def _read_dense(folder: Path) -> Dense:
    """One dense layer, in its own folder."""
    path = folder / "config.json"
    config = read_object(path)
    activation = config.get("activation_function", "torch.nn.modules.activation.Tanh")
    if activation not in _ACTIVATIONS:
        raise ExportError(f"{path} has the activation {activation!r}; the graph knows {', '.join(_ACTIVATIONS)}")
    ends = {config.get(name) or "sentence_embedding" for name in ("module_input_name", "module_output_name")}
    if ends != {"sentence_embedding"}:
        raise ExportError(f"{path} is about {', '.join(sorted(ends))}; the graph projects the text's vector alone")
    names = tensor_names(folder / WEIGHTS)
    expected = ["linear.bias", "linear.weight"] if config.get("bias", True) else ["linear.weight"]
    if sorted(names) != expected:
        found = f"{folder / WEIGHTS} holds {', '.join(sorted(names)) or 'nothing'}"
        raise SourceError(f"{found}, expected {', '.join(expected)}: fetch the checkpoint again")
    bias = read_tensor(folder / WEIGHTS, "linear.bias") if len(expected) > 1 else None
    return Dense(read_tensor(folder / WEIGHTS, "linear.weight"), bias, _ACTIVATIONS[activation])

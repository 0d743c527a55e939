"""Read a checkpoint folder: its configuration, its weights (safetensors only, never a pickle), its pooling."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, cast

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open

from embed_plugin.errors import ExportError, SourceError, UnknownArchitectureError
from embed_plugin.export.checkpoint_files import read_json, read_modules, weight_files

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin.contracts import Pooling

Activation = Literal["gelu", "gelu_tanh", "relu"]

NATIVE_ARCHITECTURES = ("bert", "roberta", "xlm-roberta")

FEWEST_TOKENS = 3
"""The lowest token limit: two special tokens and one of the text."""

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


@dataclass(frozen=True)
class BertConfig:
    """The shape of a BERT-family encoder, in the names of its ``config.json``.

    ``first_position`` is the row of the position table that the first token uses: 0 for BERT, ``pad_token_id + 1``
    for RoBERTa and XLM-RoBERTa, whose tables start with rows for padding.
    """

    model_type: str
    hidden_size: int
    num_hidden_layers: int
    num_attention_heads: int
    layer_norm_eps: float
    activation: Activation
    first_position: int
    positions: int


class Weights:
    """The tensors of one or more safetensors files, read one at a time as float32."""

    def __init__(self, folder: Path) -> None:
        self._file_of: dict[str, Path] = {}
        for path in weight_files(folder):
            with _open(path) as file:
                self._file_of.update(dict.fromkeys(file.keys(), path))
        self._prefix = self._common_prefix()

    def _common_prefix(self) -> str:
        for prefix in ("", "bert.", "roberta.", "xlm_roberta.", "model."):
            if f"{prefix}embeddings.word_embeddings.weight" in self._file_of:
                return prefix
        found = ", ".join(sorted(self._file_of)[:3]) or "no tensor at all"
        message = f"the weights hold no embeddings.word_embeddings.weight (found {found}, ...)"
        raise UnknownArchitectureError(
            f"{message}: it is not of the BERT family, and an exporter through optimum is not part of this version"
        )

    def __call__(self, name: str) -> npt.NDArray[np.float32]:
        """One tensor as float32, checked to be finite."""
        name = self._prefix + name
        if name not in self._file_of:
            raise ExportError(f"the weights hold no tensor {name}: the checkpoint is incomplete, fetch it again")
        with _open(self._file_of[name]) as file:
            tensor = _as_float32(file, name)
        if not np.isfinite(tensor).all():
            raise ExportError(f"tensor {name} holds NaN or infinity: the checkpoint is damaged, fetch it again")
        return tensor


def _as_float32(file: Any, name: str) -> npt.NDArray[np.float32]:  # noqa: ANN401 - safetensors has no types
    if file.get_slice(name).get_dtype() == "BF16":
        message = f"tensor {name} is bfloat16, which numpy cannot read"
        raise ExportError(f"{message}: save the checkpoint as float32 or float16 first")
    return cast("npt.NDArray[np.float32]", file.get_tensor(name).astype(np.float32))


def _open(path: Path) -> Any:  # noqa: ANN401 - safetensors has no types
    try:
        return safe_open(str(path), framework="numpy")
    except (SafetensorError, OSError) as error:
        raise SourceError(f"{path} is not a readable safetensors file ({error}); fetch it again") from error


def _read_object(path: Path) -> dict[str, Any]:
    content = read_json(path)
    if not isinstance(content, dict):
        raise SourceError(f"{path} holds a {type(content).__name__}, expected a JSON object")
    return content


def read_config(folder: Path) -> BertConfig:
    """Read ``config.json`` of a BERT-family checkpoint.

    Raises:
        UnknownArchitectureError: the native exporter has no graph for it; names the exporter that may.
    """
    config = _read_object(folder / "config.json")
    model_type = str(config.get("model_type"))
    if model_type not in NATIVE_ARCHITECTURES:
        _refuse(f"architecture {model_type!r}")
    if config.get("position_embedding_type", "absolute") != "absolute":
        _refuse(f"position_embedding_type {config['position_embedding_type']!r}")
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        _refuse(f"activation {activation!r}")
    try:
        first = 0 if model_type == "bert" else int(config.get("pad_token_id", 1)) + 1
        return BertConfig(
            model_type=model_type,
            hidden_size=config["hidden_size"],
            num_hidden_layers=config["num_hidden_layers"],
            num_attention_heads=config["num_attention_heads"],
            layer_norm_eps=config.get("layer_norm_eps", 1e-12),
            activation=_ACTIVATIONS[activation],
            first_position=first,
            positions=config["max_position_embeddings"] - first,
        )
    except KeyError as error:
        raise SourceError(f"{folder / 'config.json'} says no {error}: the checkpoint is incomplete") from error


def _refuse(what: str) -> None:
    known = ", ".join(NATIVE_ARCHITECTURES)
    message = f"{what} is not known to the native exporter (it knows {known})"
    raise UnknownArchitectureError(f"{message}: an exporter for it, through optimum, is not part of this version")


_POOLINGS: dict[str, Pooling] = {
    "pooling_mode_cls_token": "cls",
    "cls": "cls",
    "pooling_mode_mean_tokens": "mean",
    "mean": "mean",
}


def read_pooling(folder: Path) -> Pooling:
    """Read how a checkpoint pools; one that does not say pools by the mean, as sentence-transformers has it.

    Raises:
        ExportError: it pools in a way the graph does not, or has a step the graph would leave out (a Dense layer, say).
    """
    path = _pooling_folder(folder) / "config.json"
    if not path.exists():
        return "mean"
    config = _read_object(path)
    modes = [key for key, value in config.items() if key.startswith("pooling_mode") and value is True]
    modes += [config["pooling_mode"]] if isinstance(config.get("pooling_mode"), str) else []
    if len(modes) != 1 or modes[0] not in _POOLINGS:
        raise ExportError(f"{path} asks for {modes or 'no pooling'}; the graph pools by cls or by mean, one of them")
    if config.get("include_prompt", True) is not True:
        raise ExportError(f"{path} leaves the prefix out of the mean (include_prompt), which the graph does not")
    return _POOLINGS[modes[0]]


def _pooling_folder(folder: Path) -> Path:
    modules = dict(read_modules(folder))
    others = modules.keys() - {"Transformer", "Pooling", "Normalize"}
    if others:
        names = ", ".join(sorted(others))
        raise ExportError(f"{folder / 'modules.json'} lists {names}, which the native exporter would leave out")
    return folder / modules.get("Pooling", "1_Pooling")


def read_max_tokens(folder: Path, config: BertConfig, asked: int | None) -> int:
    """The token limit: asked for, else ``sentence_bert_config.json``, else the position table.

    ``tokenizer.json`` is not asked: its truncation is a training or export setting (all-MiniLM-L6-v2's says 128,
    the model's limit is 256).
    """
    if asked is not None:
        if not FEWEST_TOKENS <= asked <= config.positions:
            raise ExportError(f"max tokens is {asked}; this model takes {FEWEST_TOKENS} to {config.positions}")
        return asked
    path = folder / "sentence_bert_config.json"
    stated = _read_object(path).get("max_seq_length") if path.exists() else None
    return min(int(stated), config.positions) if stated else config.positions

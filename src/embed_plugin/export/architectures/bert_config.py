"""Read a checkpoint folder: its configuration and its weights (safetensors only, never a pickle)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from embed_plugin.errors import ExportError, SourceError, UnknownArchitectureError
from embed_plugin.export.checkpoint.files import read_object, weight_files
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

Activation = Literal["gelu", "gelu_tanh", "relu"]

BERT_FAMILY = ("bert", "roberta", "xlm-roberta")

OPTIMUM_KNOWS = frozenset(
    [
        "albert",
        "bert",
        "big_bird",
        "bloom",
        "camembert",
        "convbert",
        "data2vec-text",
        "deberta",
        "deberta-v2",
        "distilbert",
        "electra",
        "gemma",
        "gemma2",
        "gemma3_text",
        "gpt2",
        "gpt_neo",
        "gpt_neox",
        "ibert",
        "llama",
        "longformer",
        "mistral",
        "mobilebert",
        "modernbert",
        "mpnet",
        "nystromformer",
        "opt",
        "phi",
        "phi3",
        "qwen2",
        "qwen3",
        "rembert",
        "roberta",
        "roformer",
        "squeezebert",
        "stablelm",
        "xlm",
        "xlm-roberta",
    ]
)
"""The text encoders that optimum traces, of the versions that the extra pins: a model is sent there for no other."""

OTHER_EXPORTER = (
    "The exporter through optimum may know it: in an environment of its own, run  pip install 'embed-plugin[optimum]'  "
    "and export there with --exporter optimum; the model folder then works anywhere"
)

_ACTIVATIONS: dict[str, Activation] = {
    "gelu": "gelu",
    "gelu_new": "gelu_tanh",
    "gelu_pytorch_tanh": "gelu_tanh",
    "relu": "relu",
}


_HEADS = ("pooler.", "cls.", "lm_head.", "classifier.", "qa_outputs.", "predictions.")
_BUFFERS = (".position_ids", ".token_type_ids", ".inv_freq")

_OTHER_LAYOUT = "they belong to code of the model's own (auto_map), which is never run, and no exporter can make it"


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
        self.folder = folder
        self._file_of: dict[str, Path] = {}
        self._used: set[str] = set()
        for path in weight_files(folder):
            self._file_of.update(dict.fromkeys(tensor_names(path), path))
        self._prefix = self._common_prefix()

    def _common_prefix(self) -> str:
        for prefix in ("", "bert.", "roberta.", "xlm_roberta.", "model."):
            if f"{prefix}embeddings.word_embeddings.weight" in self._file_of:
                return prefix
        found = ", ".join(sorted(self._file_of)[:3]) or "no tensor at all"
        message = f"the weights in {self.folder} hold no embeddings.word_embeddings.weight (found {found}, ...)"
        raise ExportError(f"{message}: {_OTHER_LAYOUT}")

    def __call__(self, name: str) -> npt.NDArray[np.float32]:
        """One tensor by its name in the checkpoint, as float32, checked to be finite."""
        name = self._prefix + name
        if name not in self._file_of:
            message = f"the weights in {self.folder} hold no tensor {name}, which its config.json asks for"
            raise ExportError(f"{message}: the checkpoint is incomplete, fetch it again; or {_OTHER_LAYOUT}")
        self._used.add(name)
        return read_tensor(self._file_of[name], name)

    def require_all_used(self) -> None:
        """Refuse tensors of the encoder that no graph was made with: it has more layers, or other parts.

        Raises:
            ExportError: there are such tensors.
        """
        left = [name for name in sorted(self._file_of.keys() - self._used) if self._is_of_encoder(name)]
        if left:
            found = f"the weights in {self.folder} hold {len(left)} tensors ({', '.join(left[:3])}"
            message = f"{found}{', ...' if left[3:] else ''}) that a model of its config.json has not"
            raise ExportError(
                f"{message}: take config.json and weights of one model, fetched again; or {_OTHER_LAYOUT}"
            )

    def _is_of_encoder(self, name: str) -> bool:
        """Whether a tensor is neither a head's nor a buffer's: those change no token vector."""
        inner = name.removeprefix(self._prefix)
        return name.startswith(self._prefix) and not inner.startswith(_HEADS) and not inner.endswith(_BUFFERS)


def read_config(folder: Path) -> BertConfig:
    """Read ``config.json`` of a BERT-family checkpoint.

    Raises:
        UnknownArchitectureError: the native exporter has no graph for it; names the exporter that may.
    """
    config = read_object(folder / "config.json")
    model_type = str(config.get("model_type"))
    if model_type not in BERT_FAMILY:
        _refuse(f"architecture {model_type!r}", config, optimum=model_type in OPTIMUM_KNOWS)
    positions = str(config.get("position_embedding_type", "absolute"))
    if positions != "absolute":
        optimum = positions.startswith("relative_key")
        _refuse(f"position_embedding_type {positions!r}", config, optimum=optimum)
    activation = config.get("hidden_act", "gelu")
    if activation not in _ACTIVATIONS:
        _refuse(f"activation {activation!r}", config, optimum=True)
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


def _refuse(what: str, config: Mapping[str, object], *, optimum: bool) -> None:
    """Refuse a model, and name the other exporter where it can know it."""
    if optimum:
        known = ", ".join((*BERT_FAMILY, "nomic_bert"))
        message = f"{what} is not known to the native exporter (it knows {known})"
        raise UnknownArchitectureError(f"{message}. {OTHER_EXPORTER}")
    own_code = "; the checkpoint brings code for it (auto_map), which is never run" if "auto_map" in config else ""
    raise UnknownArchitectureError(f"{what} is known to neither exporter{own_code}")

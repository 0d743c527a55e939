"""Adapters as PEFT saves them: ``adapter_config.json`` and ``adapter_model.safetensors``.

LoRA alone (Hu et al., "LoRA: Low-Rank Adaptation of Large Language Models", 2021): a weight becomes ``W + scale * B @
A``, a table ``W + scale * (B @ A).T``, with ``scale = alpha / r``, or ``alpha / sqrt(r)`` where it is rank-stabilised
(Kalajdzievski, 2023).
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.adapters.adapter import add_low_rank
from embed_plugin.export.checkpoint.files import ADAPTER, ADAPTER_WEIGHTS
from embed_plugin.export.checkpoint.tensors import read_tensor, tensor_names
from embed_plugin.model.identity import file_sha256

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from embed_plugin.export.adapters.adapter import Read, Tensor
    from embed_plugin.export.checkpoint.description import JsonFile

_PLAIN: dict[str, tuple[object, ...]] = {
    "bias": ("none",),
    "init_lora_weights": (True, False, "gaussian", "eva", "orthogonal"),
    "peft_type": ("LORA",),
}
"""The values that mean plain LoRA. Other initial weights (PiSSA, OLoRA, ...) change the base weights too."""

_NOT_WRITTEN = (
    "alora_invocation_tokens",
    "arrow_config",
    "fan_in_fan_out",
    "kasa_config",
    "layer_replication",
    "lora_bias",
    "megatron_config",
    "modules_to_save",
    "monteclora_config",
    "target_parameters",
    "trainable_token_indices",
    "use_bdlora",
    "use_dora",
    "use_qalora",
    "velora_config",
)
"""Settings that, where they are set, make it more than LoRA."""

_TENSOR = re.compile(r"base_model\.model\.(?P<module>.+)\.lora_(?P<table>embedding_)?(?P<part>[AB])(\.weight)?")

_REMEDY = "Merge it into the model (merge_and_unload) and give what that saves"


class PeftAdapter:
    """A LoRA adapter in a folder of its own, or beside the weights."""

    def __init__(self, name: str, settings: JsonFile, prefix: str | None = None) -> None:
        """Read the settings and list the tensors.

        Raises:
            ExportError: it is no plain LoRA; the message names what it is.
            SourceError: a file is missing or damaged.
        """
        self.name: str | None = name
        self.prefix = prefix
        self.path = settings.path
        self.weights = settings.path.with_name(ADAPTER_WEIGHTS)
        self.settings = _plain_lora(settings)
        self.parts = _list_parts(self.weights)
        self._used: set[str] = set()

    def facts(self) -> Mapping[str, object]:
        """The kind, the rank and the hash of the weights."""
        rank = self.settings.get("r")
        return {"name": self.name, "kind": "LoRA (PEFT)", "rank": rank, "sha256": file_sha256(self.weights)}

    def original(self, name: str) -> str:
        """The same name: the weights are as they were."""
        return name

    def owns(self, name: str) -> bool:
        """No tensor: they are in a file of their own."""
        del name
        return False

    def change(self, tensor: Tensor, names: Sequence[str], read: Read) -> bool:
        """Add the change to a weight that has one."""
        del read
        modules = (name.removesuffix(".weight") for name in names if name.endswith(".weight"))
        module = next((each for each in modules if each in self.parts), None)
        if module is None:
            return False
        self._used.add(module)
        first, second = (read_tensor(self.weights, self.parts[module][part]) for part in "AB")
        is_table = "lora_embedding_" in self.parts[module]["A"]
        left, right = (first.T, second.T) if is_table else (second, first)
        if left.shape[1] != len(right) or (len(left), right.shape[1]) != tensor.shape:
            found = f"{self.weights} changes {module} by {second.shape} and {first.shape}"
            raise ExportError(f"{found}, which do not fit {tensor.shape}: it is an adapter of another model")
        add_low_rank(tensor, left, right, self._scale(module, len(right)))
        return True

    def _scale(self, module: str, rank: int) -> float:
        """The factor of a module's change."""
        patterns: Mapping[str, float] = self.settings.get("alpha_pattern") or {}
        own = (alpha for pattern, alpha in patterns.items() if re.match(rf"(.*\.)?({pattern})$", module))
        alpha = float(next(own, self.settings["lora_alpha"]))
        return alpha / (math.sqrt(rank) if self.settings.get("use_rslora") else rank)

    def require_all_used(self) -> None:
        """Refuse changes of weights that the model does not have."""
        left = sorted(self.parts.keys() - self._used)
        if left:
            found = f"{self.weights} changes {len(left)} weights ({', '.join(left[:3])}{', ...' if left[3:] else ''})"
            raise ExportError(f"{found} that were not found by these names in the model. {_REMEDY}")


def _plain_lora(file: JsonFile) -> dict[str, Any]:
    """The settings, checked."""
    settings = file.object()
    others = [name for name, plain in _PLAIN.items() if settings.get(name, plain[0]) not in plain]
    others += [name for name in _NOT_WRITTEN if settings.get(name)]
    if others:
        found = ", ".join(f"{name} {settings[name]!r:.40}" for name in others)
        raise ExportError(f"{file.path} has {found}, and only plain LoRA is merged. {_REMEDY}")
    if not isinstance(settings.get("lora_alpha"), int | float):
        raise SourceError(f"{file.path} says no lora_alpha: the adapter is incomplete, fetch it again")
    return settings


def _list_parts(weights: Path) -> dict[str, dict[str, str]]:
    """The names of both tensors of each changed module."""
    if not weights.is_file():
        raise SourceError(f"{weights.with_name(ADAPTER)} is there without {ADAPTER_WEIGHTS}: fetch both again")
    parts: dict[str, dict[str, str]] = {}
    for name in tensor_names(weights):
        match = _TENSOR.fullmatch(name)
        if match is None:
            raise ExportError(f"{weights} holds {name}, and only plain LoRA is merged. {_REMEDY}")
        parts.setdefault(match["module"], {})[match["part"]] = name
    for module, found in parts.items():
        if len(found) != len("AB"):
            raise SourceError(f"{weights} holds one half of the change of {module}: fetch it again")
    return parts

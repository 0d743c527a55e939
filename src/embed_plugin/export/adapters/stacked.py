"""The adapters of jina-embeddings-v3, one a task, which are stacked in its weights.

A weight that adapters change is stored as ``NAME.parametrizations.weight.original``, as torch's parametrize does, and
beside it are ``0.lora_A`` and ``0.lora_B``, whose first axis is the task. A linear layer's become ``original + scale *
B @ A``, a table's ``original + scale * A @ B``, with ``scale = lora_alpha / lora_rank``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError, SourceError
from embed_plugin.export.adapters.adapter import add_low_rank

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from embed_plugin.export.adapters.adapter import Read, Tensor
    from embed_plugin.export.checkpoint.description import CheckpointDescription

JINA_V3_CODE = "jinaai/xlm-roberta-flash-implementation--modeling_lora.XLMRobertaLoRA"
"""The class in ``auto_map`` whose checkpoints hold such adapters."""

_TABLES = ("word_embeddings", "token_type_embeddings")


@dataclass(frozen=True)
class StackedAdapter:
    """The adapter of one task, or none of them.

    Attributes:
        name: The task; None: the weights without any adapter.
        index: Its place among the tasks.
        rank: Of every change.
        scale: Factor of every change.
        prefix: The instruction before the texts of the task.
    """

    name: str | None
    index: int
    rank: int
    scale: float
    prefix: str | None

    def facts(self) -> Mapping[str, object]:
        """The task and the rank."""
        return {"name": self.name, "kind": "LoRA in the weights", "rank": self.rank}

    def original(self, name: str) -> str:
        """The name of the weight without adapters."""
        return f"{_parametrized(name)}.original"

    def owns(self, name: str) -> bool:
        """Tell if a tensor is a part of an adapter, of this task or another: a file has those of all."""
        return name.endswith((".parametrizations.weight.0.lora_A", ".parametrizations.weight.0.lora_B"))

    def change(self, tensor: Tensor, names: Sequence[str], read: Read) -> bool:
        """Add the task's change to a weight that has one: every table and every linear layer, whole or in no part."""
        name = names[0]
        if self.name is None or tensor.ndim == 1:
            return True
        first, second = (read(f"{_parametrized(name)}.0.{part}")[self.index] for part in ("lora_A", "lora_B"))
        left, right = (first, second) if name.removesuffix(".weight").endswith(_TABLES) else (second, first)
        if (left.shape, right.shape) != ((len(tensor), self.rank), (self.rank, tensor.shape[1])):
            found = f"the adapter {self.name} changes {name} by {left.shape} and {right.shape}"
            raise ExportError(f"{found}, which do not fit {tensor.shape} and rank {self.rank}: fetch the model again")
        add_low_rank(tensor, left, right, self.scale)
        return True

    def require_all_used(self) -> None:
        """Nothing: :meth:`change` reads a part for every weight, or fails."""


def _parametrized(name: str) -> str:
    """Where torch's parametrize keeps a weight's parts."""
    return f"{name.removesuffix('.weight')}.parametrizations.weight"


def stacked_adapter(checkpoint: CheckpointDescription, wanted: str | None) -> StackedAdapter | None:
    """The adapter of a task; without one, that of none, as the model's own code does. None: there are no adapters.

    Raises:
        ExportError: there is no such task.
        SourceError: ``config.json`` lacks a value.
    """
    config = checkpoint.config.object_if_there()
    if (config.get("auto_map") or {}).get("AutoModel") != JINA_V3_CODE or not config.get("lora_adaptations"):
        return None
    tasks = config["lora_adaptations"]
    if wanted is not None and wanted not in tasks:
        raise ExportError(f"{checkpoint.name} has no adapter {wanted!r}; it has {', '.join(map(str, tasks))}")
    try:
        rank, alpha = config["lora_rank"], config["lora_alpha"]
    except KeyError as error:
        raise SourceError(f"{checkpoint.config.path} says no {error}: the checkpoint is incomplete") from error
    if wanted is None:
        return StackedAdapter(None, 0, rank, 0, None)
    prefixes = config.get("task_instructions") or {}
    return StackedAdapter(wanted, tasks.index(wanted), rank, alpha / rank, prefixes.get(wanted, ""))

"""Choose the adapter that is merged into a checkpoint's weights."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.adapters.peft import PeftAdapter
from embed_plugin.export.adapters.stacked import stacked_adapter
from embed_plugin.export.checkpoint.description import read_json_file
from embed_plugin.export.checkpoint.files import ADAPTER

if TYPE_CHECKING:
    from embed_plugin.export.adapters.adapter import Adapter
    from embed_plugin.export.checkpoint.description import CheckpointDescription


def choose_adapter(checkpoint: CheckpointDescription, wanted: str | None) -> Adapter | None:
    """Choose the adapter: the wanted one, else the one beside the weights; None: there is nothing to merge.

    Args:
        checkpoint: The checkpoint.
        wanted: A task that ``config.json`` lists, or a folder of the checkpoint with a PEFT adapter.

    Raises:
        ExportError: there is no such adapter, or it is of a kind that is not merged.
        SourceError: a file is missing or damaged.
    """
    stacked = stacked_adapter(checkpoint, wanted)
    if stacked is not None:
        return stacked
    beside = read_json_file(checkpoint.folder / ADAPTER)
    if wanted is None:
        return PeftAdapter(ADAPTER, beside) if beside.is_there else None
    if beside.is_there:
        found = f"{beside.path} is merged where no adapter is named, and {wanted!r} was"
        raise ExportError(f"{found}: leave --adapter out, or keep that file out of the folder")
    named = sorted(path.parent.name for path in checkpoint.folder.glob(f"*/{ADAPTER}"))
    if wanted not in named:
        known = f"it has {', '.join(named)}" if named else "it has none"
        raise ExportError(f"{checkpoint.name} has no adapter {wanted!r}; {known}")
    settings = read_json_file(checkpoint.folder / wanted / ADAPTER)
    return PeftAdapter(wanted, settings, _prompt_of(checkpoint, wanted))


def _prompt_of(checkpoint: CheckpointDescription, adapter: str) -> str | None:
    """The prompt of an adapter's name, as the folder ``retrieval_query`` has that of ``retrieval.query``."""
    prompts = checkpoint.sentence_transformers.object_if_there().get("prompts") or {}
    return next((text for name, text in prompts.items() if _letters(name) == _letters(adapter)), None)


def _letters(name: str) -> str:
    """A name without what stands between its words."""
    return re.sub(r"[._-]", "", name)

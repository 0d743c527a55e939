"""How many tokens of a text a checkpoint takes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint_files import read_object

if TYPE_CHECKING:
    from pathlib import Path

FEWEST_TOKENS = 3
"""The lowest token limit: two special tokens and one of the text."""


def read_max_tokens(folder: Path, positions: int | None, asked: int | None) -> int:
    """The token limit: asked for, else ``sentence_bert_config.json``, else the position table.

    ``tokenizer.json`` is not asked: its truncation is a training or export setting (all-MiniLM-L6-v2's says 128,
    the model's limit is 256).

    Args:
        folder: The checkpoint.
        positions: The most tokens the model has positions for; None: it does not say.
        asked: What the user wants; None: the checkpoint's own limit.
    """
    if asked is not None:
        if asked < FEWEST_TOKENS or (positions is not None and asked > positions):
            raise ExportError(f"max tokens is {asked}; this model takes {FEWEST_TOKENS} to {positions or 'any number'}")
        return asked
    path = folder / "sentence_bert_config.json"
    stated: Any = read_object(path).get("max_seq_length") if path.exists() else None
    limits = [int(limit) for limit in (stated, positions) if limit]
    if not limits:
        raise ExportError(f"{folder} does not say how many tokens a text may have: say it with --max-tokens")
    return min(limits)

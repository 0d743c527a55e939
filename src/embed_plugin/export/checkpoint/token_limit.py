"""Choose the token limit of a text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from embed_plugin.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from embed_plugin.export.checkpoint.description import CheckpointDescription

FEWEST_TOKENS = 3
"""The lowest token limit: two special tokens and one of the text."""

MOST_STATIC_TOKENS = 65_536
"""The highest token limit of a static embedding, which has no positions: its run holds a row for each token."""

UNLIMITED = 1_000_000
"""A ``model_max_length`` from here on means no limit; transformers writes 1e30."""


def choose_max_tokens(checkpoint: CheckpointDescription, positions: int | None, wanted: int | None) -> int:
    """Choose the token limit: the user's, else the one that the checkpoint was trained with, else the positions.

    The trained limit is ``max_seq_length`` of ``sentence_bert_config.json``, which sentence-transformers no longer
    writes, then ``model_max_length`` of ``tokenizer_config.json``; the latter is ignored where the model has fewer
    positions. The truncation in ``tokenizer.json`` is ignored: it is a training or export setting (128 in
    all-MiniLM-L6-v2, whose limit is 256).

    Args:
        checkpoint: The checkpoint.
        positions: The most tokens the model has positions for; None: it does not state it.
        wanted: The user's limit; None: the checkpoint's own.

    Raises:
        ExportError: the model cannot take as many, or no file states a limit.
        SourceError: a file cannot be read.
    """
    if wanted is not None:
        if wanted < FEWEST_TOKENS or (positions is not None and wanted > positions):
            raise ExportError(
                f"max tokens is {wanted}; this model takes {FEWEST_TOKENS} to {positions or 'any number'}"
            )
        return wanted
    folder = checkpoint.encoder
    trained = _static_limit(checkpoint) or _limit(folder, checkpoint.transformer_settings(), "max_seq_length")
    if trained is None:
        trained = _limit(folder, checkpoint.tokenizer_settings(), "model_max_length")
        trained = None if trained is None or trained > (positions or UNLIMITED - 1) else trained
    limits = [limit for limit in (trained, positions) if limit]
    if not limits:
        raise ExportError(f"{folder} does not say how many tokens a text may have: say it with --max-tokens")
    return min(limits)


def _static_limit(checkpoint: CheckpointDescription) -> int | None:
    """The limit of a static embedding; None: it is none. model2vec's is 512 if its configuration states no other."""
    if not checkpoint.is_static:
        return None
    config = checkpoint.config.object_if_there()
    if not config or config.get("max_length", 0) is None:
        return MOST_STATIC_TOKENS
    return _limit(checkpoint.encoder, {"max_length": config.get("max_length", 512)}, "max_length")


def _limit(folder: Path, settings: Mapping[str, Any], name: str) -> int | None:
    """The limit that a file states; None: it states none."""
    limit = settings.get(name)
    if limit is None:
        return None
    if isinstance(limit, bool) or not isinstance(limit, int | float) or not limit >= FEWEST_TOKENS:
        found = f"{folder} says that {name} is {limit!r}, expected a number from {FEWEST_TOKENS} on"
        raise ExportError(f"{found}: say the limit with --max-tokens")
    return int(min(limit, UNLIMITED))

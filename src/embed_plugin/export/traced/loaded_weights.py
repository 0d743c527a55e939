"""Check that a checkpoint's weights fit the class that transformers loaded them into.

transformers fills missing weights with random numbers and drops those it has no place for, and only warns: such a model
is a different one each time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

_POOLER = "pooler."
"""A layer on one token of the last layer: no token's vector depends on it."""

_TASK_HEADS = (
    "classifier.", "cls.", "decoder.bias", "decoder.weight", "discriminator_predictions.", "embed_out.",
    "generator_lm_head.", "generator_predictions.", "head.dense.", "head.norm.", "lm_head.",
    "lm_predictions.", "logits_proj.", "mask_predictions.", "pre_classifier.", "pred_layer.", "predictions.",
    "qa_classifier.", "qa_outputs.", "score.", "sequence_summary.", "sop_classifier.", "splinter_qass.",
    "vocab_layer_norm.", "vocab_projector.", "vocab_transform.",
)  # fmt: skip
"""Layers that read the token vectors, in transformers' classes for training and for other tasks."""

_NAMED = 3
"""Most names in a message; a wrong layout has hundreds."""

_COMPUTED = (".inv_freq", ".position_ids")
"""Tables that older versions saved, and that are computed from the configuration."""


def require_fit(
    folder: Path, missing: Collection[str], unexpected: Collection[str], mismatched: Collection[str]
) -> None:
    """Check the names of weights that transformers did not find, did not use, or found in another shape.

    Raises:
        ExportError: one of them takes part in the token vectors.
    """
    faults = {
        "are missing": [name for name in missing if not name.startswith(_POOLER)],
        "have no place in it": [name for name in unexpected if not _is_unused(name)],
        "have another shape than in it": [name for name in mismatched if not name.startswith(_POOLER)],
    }
    found = "; ".join(f"{_first_few(names)} {what}" for what, names in faults.items() if names)
    if found:
        raise ExportError(
            f"{folder}: the weights do not fit the model that config.json describes: {found}. It would be exported "
            "with random parts, or without some: fetch the checkpoint again, or use one in transformers' own layout"
        )


def _is_unused(name: str) -> bool:
    return name.startswith((_POOLER, *_TASK_HEADS)) or name.endswith(_COMPUTED)


def _first_few(names: Collection[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(sorted(names)[:_NAMED]) + more

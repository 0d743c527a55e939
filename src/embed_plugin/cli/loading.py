"""Load a model folder as the class of its kind, for commands that take more than one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import embed_plugin

if TYPE_CHECKING:
    from pathlib import Path

    from embed_plugin import Encoder, LateInteractionEncoder


def load_text_model(folder: Path) -> Encoder | LateInteractionEncoder:
    """Load an embedding or a late-interaction model.

    Raises:
        ModelFolderError: the folder is missing or damaged, or its model is of another kind.
    """
    from embed_plugin.model.cache import find_model_folder  # noqa: PLC0415 - loads numpy

    is_late = "late-interaction" in embed_plugin.read_model_folder(find_model_folder(folder)).kinds
    return embed_plugin.LateInteractionEncoder.load(folder) if is_late else embed_plugin.Encoder.load(folder)

"""Smaller vectors, of models whose first values were trained to be vectors of their own.

"Matryoshka Representation Learning" (Kusupati et al., 2022): such a vector may be cut and normalised again. Cutting any
other model's vectors keeps an arbitrary part of them.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embed_plugin.errors import ExportError
from embed_plugin.export.checkpoint.files import read_object
from embed_plugin.export.checkpoint.prefixes import plain_name

if TYPE_CHECKING:
    from embed_plugin.export.checkpoint.source import Checkpoint

_KNOWN = re.compile(
    r"mxbai-embed-large-v1|snowflake-arctic-embed-m-v1-5|snowflake-arctic-embed-[ml]-v2-0"
    r"|modernbert-embed-base|embeddinggemma-300m|qwen3-embedding-\S+"
)
"""Models whose cards say so and whose ``config.json`` does not. nomic-embed-text-v1.5 is left out: its card has a layer
norm before the cut, which is not part of its checkpoint."""


def require_matryoshka(checkpoint: Checkpoint, dimension: int) -> None:
    """Refuse to cut the vectors of a model that does not say it may be done.

    A model says so in ``config.json``: ``matryoshka_dimensions``, a list of lengths, or ``is_matryoshka``.

    Raises:
        ExportError: it does not, or not at this length.
    """
    config = read_object(checkpoint.folder / "config.json")
    lengths = config.get("matryoshka_dimensions")
    if isinstance(lengths, list) and lengths:
        if dimension not in lengths:
            offered = ", ".join(map(str, lengths))
            raise ExportError(f"{checkpoint.name} was trained for vectors of {offered}; found dimension {dimension}")
    elif not config.get("is_matryoshka") and not _KNOWN.fullmatch(plain_name(checkpoint.name)):
        found = f"{checkpoint.name} does not say that its vectors may be cut (matryoshka_dimensions in config.json)"
        raise ExportError(f"{found}: leave dimension out. Where the model's card says so, add it to config.json")

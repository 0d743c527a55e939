"""The options that name the models of vectors beside the dense one, and how searches fuse their rankings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

import embed_plugin
from embed_plugin.cli.options.groups import OptionGroup

if TYPE_CHECKING:
    from embed_plugin.ingest import CollectionSettings
    from embed_plugin.ingest.query import Fusion

BM25 = "bm25"
"""The sparse vectors that no model makes. A folder of that name is given as ``./bm25``."""

SparseModel: TypeAlias = Annotated[
    str | None,
    typer.Option(
        "--sparse",
        metavar="bm25|DIR",
        help="The collection's sparse vectors: bm25, or their model.",
        show_default=False,
    ),
]
LateModel: TypeAlias = Annotated[
    Path | None,
    typer.Option("--late", metavar="DIR", help="The model of the collection's token vectors.", show_default=False),
]


def load_sparse(sparse: str) -> embed_plugin.SparseEncoder | str:
    """Load the model of sparse vectors; ``bm25`` is none.

    Raises:
        ModelFolderError: the folder cannot be used.
    """
    return sparse if sparse == BM25 else embed_plugin.SparseEncoder.load(sparse)


@dataclass(frozen=True, kw_only=True)
class OtherModels(OptionGroup, panel="Other vectors than the dense one"):
    """Options that name the models of an existing collection."""

    sparse: SparseModel = None
    late: LateModel = None

    def settings(self) -> CollectionSettings:
        """Load the models, as settings that a collection is opened with.

        Raises:
            ModelFolderError: a folder cannot be used.
        """
        return settings_with(self.sparse, self.late, {})


def settings_with(sparse: str | None, late: Path | None, others: dict[str, object]) -> CollectionSettings:
    """Make settings with the models of two folders.

    Raises:
        ModelFolderError: a folder cannot be used.
        InvalidInputError: as :class:`CollectionSettings`.
    """
    from embed_plugin.ingest import CollectionSettings  # noqa: PLC0415 - needs the extra

    loaded: dict[str, object] = {} if sparse is None else {"sparse": load_sparse(sparse)}
    loaded |= {} if late is None else {"late": embed_plugin.LateInteractionEncoder.load(late)}
    return CollectionSettings(**others | loaded)  # type: ignore[arg-type]


def parse_weights(weights: str) -> list[float]:
    """Return the numbers of the option --weights.

    Raises:
        typer.BadParameter: they are none.
    """
    try:
        return [float(weight) for weight in weights.split(",")]
    except ValueError as error:
        expected = "expected numbers with commas between, such as 1,0.5"
        raise typer.BadParameter(f"{weights!r}: {expected}", param_hint="--weights") from error


@dataclass(frozen=True, kw_only=True)
class HybridSearch(OptionGroup, panel="Other vectors than the dense one"):
    """Options of a search that fuses several rankings."""

    hybrid: Annotated[
        bool,
        typer.Option(
            "--hybrid",
            help="Fuse the ranking with those by BM25's words, if there are any, and by --sparse and --late.",
        ),
    ] = False
    sparse: SparseModel = None
    late: LateModel = None
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W[,W]", help="Of the rankings: dense, sparse, late, those there are.", show_default="1,1,1"
        ),
    ] = None
    explain: Annotated[bool, typer.Option("--explain", help="Show each hit's place and score in every ranking.")] = (
        False
    )

    def models(self) -> CollectionSettings:
        """Load the models, as settings that a collection is opened with.

        Raises:
            typer.BadParameter: an option without --hybrid.
            ModelFolderError: a folder cannot be used.
        """
        given = [name for name in ("sparse", "late", "weights", "explain") if getattr(self, name)]
        if given and not self.hybrid:
            second = ". A second look at what was found is --rerank DIR" if "late" in given else ""
            raise typer.BadParameter(f"--{', --'.join(given)}: only for a search with --hybrid{second}")
        return settings_with(self.sparse, self.late, {})

    def fusion(self) -> bool | Fusion:
        """Return how the rankings are fused; False if there is one alone.

        Raises:
            typer.BadParameter: the weights are no numbers.
        """
        from embed_plugin.ingest import Fusion  # noqa: PLC0415 - needs the extra

        if self.weights is None and not self.explain:
            return self.hybrid
        return Fusion(None if self.weights is None else parse_weights(self.weights), self.explain)

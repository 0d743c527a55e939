"""The options that name the models of vectors beside the dense one, and how searches fuse their rankings."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.cli.options.model_folders import ModelFolders
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from embed_plugin.ingest import CollectionSettings
    from embed_plugin.ingest.query import Fusion

_KEPT = "as the collection has it"

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


@dataclass(frozen=True, kw_only=True)
class OtherModels(OptionGroup, panel="Other vectors than the dense one"):
    """Options that name the models of an existing collection."""

    sparse: SparseModel = None
    late: LateModel = None

    def models(self, model: str) -> ModelFolders:
        """Return the models of all vectors, of which ``model`` makes the dense ones."""
        return ModelFolders(model, self.sparse, self.late)


@dataclass(frozen=True, kw_only=True)
class MovedModels(OptionGroup, panel="Other vectors than the dense one"):
    """Options that name the models to move to; a kind of vector whose model is not named stays as it is."""

    sparse: Annotated[
        str | None,
        typer.Option(metavar="bm25|DIR", help="Move the sparse vectors to BM25 or this model, or add them."),
    ] = None
    sparse_language: Annotated[
        str | None,
        typer.Option(metavar="LANGUAGE", help="The language of the texts' words.", show_default=_KEPT),
    ] = None
    bm25_k: Annotated[
        float | None, typer.Option(min=0, help="How slowly a repeated word's weight saturates.", show_default=_KEPT)
    ] = None
    bm25_b: Annotated[
        float | None, typer.Option(min=0, max=1, help="How much a text's length counts.", show_default=_KEPT)
    ] = None
    bm25_mean_words: Annotated[
        float | None, typer.Option(help="The length of a usual text, in words.", show_default=_KEPT)
    ] = None
    late: Annotated[
        Path | None, typer.Option(metavar="DIR", help="Move the vectors of tokens to this model, or add them.")
    ] = None

    def models(self, model: str) -> ModelFolders:
        """Return the models to move to, of which ``model`` makes the dense vectors."""
        return ModelFolders(model, self.sparse, self.late)

    def settings(self, models: ModelFolders) -> CollectionSettings:
        """Load the models, as settings that a collection is opened with.

        Args:
            models: Those of :meth:`models`.

        Raises:
            typer.BadParameter: there is no such language, or a setting of BM25 is given without it.
            ModelFolderError: a folder cannot be used.
        """
        try:
            return models.settings(self.given())
        except InvalidInputError as error:
            raise typer.BadParameter(str(error)) from error


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

    def models(self, model: str) -> ModelFolders:
        """Return the models of all vectors, of which ``model`` makes the dense ones.

        Raises:
            typer.BadParameter: an option without --hybrid.
        """
        given = [name for name in ("sparse", "late", "weights", "explain") if getattr(self, name)]
        if given and not self.hybrid:
            second = ". A second look at what was found is --rerank DIR" if "late" in given else ""
            raise typer.BadParameter(f"--{', --'.join(given)}: only for a search with --hybrid{second}")
        return ModelFolders(model, self.sparse, self.late)

    def fusion(self) -> bool | Fusion:
        """Return how the rankings are fused; False if there is one alone.

        Raises:
            typer.BadParameter: the weights are no numbers.
        """
        from embed_plugin.ingest import Fusion  # noqa: PLC0415 - needs the extra

        if self.weights is None and not self.explain:
            return self.hybrid
        return Fusion(None if self.weights is None else parse_weights(self.weights), self.explain)

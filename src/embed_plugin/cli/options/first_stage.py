"""The options of ``evaluate`` for what finds documents on a dataset: a first stage, and rankings that are fused."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import embed_plugin
from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.cli.options.model_folders import BM25, ModelFolders
from embed_plugin.cli.options.other_models import LateModel, SparseModel, parse_weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin import Encoder
    from embed_plugin.evaluate import FusedModels
    from embed_plugin.ingest import CollectionSettings


@dataclass(frozen=True, kw_only=True)
class FirstStage(OptionGroup, panel="Second stages"):
    """The documents that a reranker or a late-interaction model ranks."""

    first_stage: Annotated[
        Path | None,
        typer.Option(
            help="Model folder that finds the documents that a reranker, or token vectors, rank anew.",
            show_default="BM25 for a reranker",
        ),
    ] = None
    candidates: Annotated[
        int | None, typer.Option(help="Documents of a query that are ranked anew.", min=1, show_default="100")
    ] = None

    def refuse(self) -> None:
        """Refuse the options where nothing is ranked anew.

        Raises:
            typer.BadParameter: one is given.
        """
        given = ", ".join("--" + name.replace("_", "-") for name in self.given())
        if given:
            message = "only for a reranker or a late-interaction model on a --dataset, which ranks what was found"
            raise typer.BadParameter(f"{given}: {message}")


@dataclass(frozen=True, kw_only=True)
class FusedRankings(OptionGroup, panel="With --hybrid"):
    """The rankings that are fused with an embedding model's, as those of ``search --hybrid``."""

    sparse: SparseModel = None
    late: LateModel = None
    weights: Annotated[
        str | None,
        typer.Option(
            metavar="W,W[,W]", help="Of the rankings: dense, sparse, late, those there are.", show_default=False
        ),
    ] = None

    def check(self, *, is_hybrid: bool) -> None:
        """Refuse the options where nothing is fused, and weights that are no numbers.

        Raises:
            typer.BadParameter: one is given.
        """
        given = ", ".join(f"--{name}" for name in self.given())
        if given and not is_hybrid:
            raise typer.BadParameter(f"{given}: only with --hybrid or --baseline-hybrid")
        self.numbers()

    def numbers(self) -> Sequence[float] | None:
        """Return the weights; None if none are given.

        Raises:
            typer.BadParameter: they are no numbers.
        """
        return None if self.weights is None else parse_weights(self.weights)

    def settings(self) -> CollectionSettings:
        """Load the models, as settings that a collection is opened with.

        Raises:
            ModelFolderError: a folder cannot be used.
        """
        return ModelFolders("", self.sparse, self.late).settings()

    def beside(self, dense: Encoder) -> FusedModels:
        """Load the models, to be fused with an embedding model on a dataset; words alone if none is named.

        Raises:
            ModelFolderError: a folder cannot be used.
            MissingExtraError: BM25 needs the extra ``ingest``.
        """
        from embed_plugin.evaluate import FusedModels  # noqa: PLC0415 - loads numpy

        words = self.sparse == BM25 or (self.sparse is None and self.late is None)
        return FusedModels(
            dense,
            bm25=embed_plugin.Bm25Encoder() if words else None,
            sparse=None if self.sparse in {None, BM25} else embed_plugin.SparseEncoder.load(str(self.sparse)),
            late=None if self.late is None else embed_plugin.LateInteractionEncoder.load(self.late),
            weights=self.numbers(),
        )

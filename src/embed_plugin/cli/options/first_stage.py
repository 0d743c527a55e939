"""The options of ``evaluate`` for a reranker: what finds the documents that it ranks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from embed_plugin.cli.options.groups import OptionGroup


@dataclass(frozen=True, kw_only=True)
class FirstStage(OptionGroup, panel="Rerankers"):
    """The documents that a reranker ranks."""

    first_stage: Annotated[
        Path | None,
        typer.Option(help="Model folder that finds the documents that a reranker ranks.", show_default="BM25"),
    ] = None
    candidates: Annotated[
        int | None, typer.Option(help="Documents of a query that a reranker ranks.", min=1, show_default="100")
    ] = None

    def refuse(self) -> None:
        """Refuse the options for a model that is no reranker, and for questions of a collection.

        Raises:
            typer.BadParameter: one is given.
        """
        given = ", ".join("--" + name.replace("_", "-") for name in self.given())
        if given:
            raise typer.BadParameter(f"{given}: only for a reranker on a --dataset, which ranks what was found")

"""The options that choose among hits: the filter, the fields of ``Selection``, and how much is shown of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.cli.printable import printable
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from embed_plugin.ingest import Condition, Selection


@dataclass(frozen=True, kw_only=True)
class Chosen(OptionGroup, panel="Which hits are shown"):
    """Options that choose among hits."""

    duplicates: Annotated[bool, typer.Option("--duplicates", help="Show hits with equal or nearly equal texts.")] = (
        False
    )
    per_record: Annotated[
        int | None, typer.Option(min=1, help="Most hits of a record.", show_default="any; with --group-by 1")
    ] = None
    group_by: Annotated[
        Literal["record"] | None,
        typer.Option(help="Put the hits of a record together; --limit is then one of records.", show_default=False),
    ] = None
    min_score: Annotated[
        float | None, typer.Option(help="Least score of a hit; with --rerank, of the second model.", show_default="any")
    ] = None
    filters: Annotated[
        list[str] | None,
        typer.Option(
            "--filter",
            metavar="'KEY OP VALUE'",
            help="Only chunks whose metadata fulfil it: = != >= <= > <, or KEY:any(a,b); repeatable, all hold.",
            show_default=False,
        ),
    ] = None
    context: Annotated[int, typer.Option(min=0, help="Chunks to show before and behind each hit.")] = 0
    full: Annotated[bool, typer.Option("--full", help="Show whole texts, with their line breaks.")] = False

    def selection(self) -> Selection:
        """Make the selection; needs the extra ``ingest``.

        Raises:
            typer.BadParameter: the least score is no finite number.
        """
        from embed_plugin.ingest import Selection  # noqa: PLC0415 - needs the extra

        if self.min_score is not None and not math.isfinite(self.min_score):
            raise typer.BadParameter(f"{self.min_score}: expected a finite number", param_hint="--min-score")
        return Selection(
            duplicates=self.duplicates, per_record=self.per_record, group_by=self.group_by, min_score=self.min_score
        )

    def conditions(self) -> list[Condition]:
        """Read the filters; needs the extra ``ingest``.

        Raises:
            typer.BadParameter: one has another form.
        """
        from embed_plugin.ingest import parse_condition  # noqa: PLC0415 - needs the extra

        try:
            return [parse_condition(one) for one in self.filters or ()]
        except InvalidInputError as error:
            raise typer.BadParameter(printable(error), param_hint="--filter") from error

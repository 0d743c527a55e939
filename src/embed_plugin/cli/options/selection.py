"""The options that choose among hits: the fields of ``Selection``, and the chunks around each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from embed_plugin.cli.options.groups import OptionGroup

if TYPE_CHECKING:
    from embed_plugin.ingest import Selection


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
    context: Annotated[int, typer.Option(min=0, help="Chunks to show before and behind each hit.")] = 0

    def selection(self) -> Selection:
        """Make the selection; needs the extra ``ingest``."""
        from embed_plugin.ingest import Selection  # noqa: PLC0415 - needs the extra

        return Selection(duplicates=self.duplicates, per_record=self.per_record, group_by=self.group_by)

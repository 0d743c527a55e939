"""The options of a run of ``ingest``: the fields of ``IngestSettings``, and the files of rejected records."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli.options.groups import OptionGroup

if TYPE_CHECKING:
    from embed_plugin.ingest import IngestSettings


@dataclass(frozen=True, kw_only=True)
class Run(OptionGroup, panel="Run"):
    """The fields of ``IngestSettings``."""

    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done; write nothing.")] = False
    mirror: Annotated[
        bool, typer.Option("--mirror", help="Remove what is stored of records that are not there any more.")
    ] = False
    max_delete: Annotated[
        float, typer.Option(help="Largest part of the points that --mirror may remove.", min=0, max=1)
    ] = 0.1
    max_delete_records: Annotated[int, typer.Option(help="Records that --mirror may remove in any case.", min=0)] = 3
    shard: Annotated[str, typer.Option(help="Take part I of N of the records.", metavar="I/N")] = "1/1"
    chunk_tokens: Annotated[
        int | None,
        typer.Option(help="Most tokens of a chunk.", show_default="model's limit", rich_help_panel="Chunks"),
    ] = None
    overlap_tokens: Annotated[
        int, typer.Option(help="Tokens a chunk repeats of the one before.", rich_help_panel="Chunks")
    ] = 0

    def settings(self) -> IngestSettings:
        """Make the settings.

        Raises:
            InvalidInputError: a setting that cannot be used.
        """
        from embed_plugin.ingest import IngestSettings, Shard  # noqa: PLC0415 - needs the extra

        return IngestSettings(**self.given() | {"shard": Shard.parse(self.shard)})


@dataclass(frozen=True, kw_only=True)
class Rejections(OptionGroup, panel="Run"):
    """Files of rejected records."""

    rejected: Annotated[
        Path | None, typer.Option(help="File for what is rejected.", show_default="COLLECTION.rejected.jsonl")
    ] = None
    retry_rejected: Annotated[
        Path | None, typer.Option(help="Try what is in this file again, instead of paths.", show_default=False)
    ] = None

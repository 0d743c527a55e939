"""The options for reading records: the fields of ``ReaderSettings``."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli.options.groups import OptionGroup
from embed_plugin.ingest.read.formats.registry import Format

if TYPE_CHECKING:
    from embed_plugin.ingest import ReaderSettings


@dataclass(frozen=True, kw_only=True)
class Reading(OptionGroup, panel="Reading"):
    """Options for reading records from files."""

    format: Annotated[
        Format,
        typer.Option(help="What the files are; auto goes by the suffix, and takes stdin as jsonl."),
    ] = "auto"
    source: Annotated[
        str | None,
        typer.Option(help="Name of the source that is read.", show_default="its folder's"),
    ] = None
    id_field: Annotated[
        str | None, typer.Option(help="Field or column that names the record.", show_default="file and line")
    ] = None
    text_fields: Annotated[
        list[str] | None,
        typer.Option(
            "--text-field",
            help="Field or column that is embedded; give it again to join several by line breaks.",
            show_default="text",
        ),
    ] = None
    metadata_fields: Annotated[
        list[str] | None,
        typer.Option(
            "--metadata-field",
            help="Field or column that is stored beside the text; give it again for more.",
            show_default="all others",
        ),
    ] = None
    encoding: Annotated[
        str | None,
        typer.Option(help="What files are in that do not say so themselves, such as cp1252.", show_default="utf-8"),
    ] = None
    delimiter: Annotated[
        str | None, typer.Option(help="What stands between two cells of CSV or TSV.", show_default="comma, tab")
    ] = None
    infer_types: Annotated[
        bool,
        typer.Option("--infer-types", help="Store numbers, true and false of CSV and TSV as such, and not as texts."),
    ] = False
    include: Annotated[
        list[str] | None,
        typer.Option(
            help="Files to read in folders whatever their suffix, as a .gitignore pattern; repeatable.",
            show_default="by suffix",
        ),
    ] = None
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            help="Files and folders to leave out, as a .gitignore pattern, beside those in .embedignore files; "
            "repeatable."
        ),
    ] = None
    gitignore: Annotated[
        bool,
        typer.Option(
            "--gitignore/--no-gitignore", help="Leave out what git ignores, in folders that are in a work tree."
        ),
    ] = True
    records_path: Annotated[
        str | None,
        typer.Option(
            help="Where the array of records is in a JSON file, such as data.items.", show_default="the whole"
        ),
    ] = None
    max_record_mb: Annotated[int, typer.Option(min=1, help="Longest line, row or file that is read as one record.")] = (
        64
    )
    max_parse_seconds: Annotated[
        float, typer.Option(min=0.1, help="Longest time for a document (PDF, DOCX, ...) in its parser process.")
    ] = 30.0
    max_parse_mb: Annotated[int, typer.Option(min=128, help="Most memory for a document in its parser process.")] = 1024

    def settings(self) -> ReaderSettings:
        r"""Make the settings; ``\t`` may stand for a tab."""
        from embed_plugin.ingest import ReaderSettings  # noqa: PLC0415 - needs the extra

        values = self.given()
        if self.delimiter == r"\t":
            values["delimiter"] = "\t"
        sizes = {
            "max_record_bytes": values.pop("max_record_mb") * 2**20,
            "max_parse_bytes": values.pop("max_parse_mb") * 2**20,
        }
        return ReaderSettings(**sizes, **values)

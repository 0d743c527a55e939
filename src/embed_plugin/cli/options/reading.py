"""The options that say how files become records."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, TypeAlias

import typer

if TYPE_CHECKING:
    from embed_plugin.ingest import ReaderSettings


class RecordFormat(StrEnum):
    """How files become records."""

    auto = "auto"
    text = "text"
    html = "html"
    jsonl = "jsonl"
    csv = "csv"
    tsv = "tsv"
    parquet = "parquet"


FormatOption: TypeAlias = Annotated[
    RecordFormat,
    typer.Option("--format", help="What the files are; auto goes by the suffix, and takes stdin as jsonl."),
]
IdField: TypeAlias = Annotated[
    str | None, typer.Option("--id-field", help="Field or column that names the record.", show_default="file and line")
]
TextFields: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--text-field",
        help="Field or column that is embedded; give it again to join several by line breaks.",
        show_default="text",
    ),
]
MetadataFields: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        "--metadata-field",
        help="Field or column that is stored beside the text; give it again for more.",
        show_default="all others",
    ),
]
Encoding: TypeAlias = Annotated[
    str | None,
    typer.Option(help="What files are in that do not say so themselves, such as cp1252.", show_default="utf-8"),
]
Delimiter: TypeAlias = Annotated[
    str | None, typer.Option(help="What stands between two cells of CSV or TSV.", show_default="comma, tab")
]
Include: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Files to read in folders whatever their suffix, as a .gitignore pattern; repeatable.",
        show_default="by suffix",
    ),
]
Exclude: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        help="Files and folders to leave out, as a .gitignore pattern, beside those in .embedignore files; repeatable."
    ),
]
MaxRecordMegabytes: TypeAlias = Annotated[
    int, typer.Option("--max-record-mb", min=1, help="Longest line, row or file that is read as one record.")
]


def reader_settings(
    *,
    format: RecordFormat = RecordFormat.auto,  # noqa: A002 - the option's name
    id_field: str | None = None,
    text_fields: list[str] | None = None,
    metadata_fields: list[str] | None = None,
    encoding: str | None = None,
    delimiter: str | None = None,
    include: list[str] | None = None,
    exclude: list[str] | None = None,
    max_record_megabytes: int = 64,
) -> ReaderSettings:
    r"""The settings that the options say; ``\t`` may stand for a tab."""
    from embed_plugin.ingest import ReaderSettings  # noqa: PLC0415 - needs the extra

    return ReaderSettings(
        format=format.value,
        id_field=id_field,
        text_fields=tuple(text_fields or ("text",)),
        metadata_fields=tuple(metadata_fields) if metadata_fields else None,
        encoding=encoding,
        delimiter="\t" if delimiter == r"\t" else delimiter,
        include=tuple(include or ()),
        exclude=tuple(exclude or ()),
        max_record_bytes=max_record_megabytes * 2**20,
    )

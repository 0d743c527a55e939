from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from embed_plugin.cli.options import reading as options
from embed_plugin.ingest import ReaderSettings

found: list[ReaderSettings] = []
app = typer.Typer()


@app.command()
def show(  # noqa: PLR0913 - one for each option
    *,
    format: options.FormatOption = options.RecordFormat.auto,  # noqa: A002 - the option's name
    id_field: options.IdField = None,
    text_fields: options.TextFields = None,
    metadata_fields: options.MetadataFields = None,
    encoding: options.Encoding = None,
    delimiter: options.Delimiter = None,
    include: options.Include = None,
    exclude: options.Exclude = None,
    max_record_megabytes: options.MaxRecordMegabytes = 64,
) -> None:
    found.append(
        options.reader_settings(
            format=format,
            id_field=id_field,
            text_fields=text_fields,
            metadata_fields=metadata_fields,
            encoding=encoding,
            delimiter=delimiter,
            include=include,
            exclude=exclude,
            max_record_megabytes=max_record_megabytes,
        )
    )


@pytest.mark.parametrize(
    ("arguments", "settings"),
    [
        ("", ReaderSettings()),
        (
            "--text-field title --text-field text --id-field _id",
            ReaderSettings(text_fields=("title", "text"), id_field="_id"),
        ),
        (
            r"--format tsv --delimiter \t --metadata-field n",
            ReaderSettings(format="tsv", delimiter="\t", metadata_fields=("n",)),
        ),
        (
            "--encoding cp1252 --include *.log --exclude tmp/ --exclude *.bak",
            ReaderSettings(encoding="cp1252", include=("*.log",), exclude=("tmp/", "*.bak")),
        ),
        ("--max-record-mb 1", ReaderSettings(max_record_bytes=2**20)),
    ],
)
def test_the_options_are_the_settings(arguments: str, settings: ReaderSettings) -> None:
    found.clear()
    done = CliRunner().invoke(app, arguments.split(), catch_exceptions=False)
    assert done.exit_code == 0
    assert found == [settings]

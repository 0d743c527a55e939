from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.reading import Reading  # noqa: TC001 - typer reads the annotation
from embed_plugin.ingest import ReaderSettings

found: list[ReaderSettings] = []
app = typer.Typer()


@app.command()
@with_option_groups
def show(*, reading: Reading) -> None:
    found.append(reading.settings())


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
        ("--infer-types", ReaderSettings(infer_types=True)),
        ("--max-record-mb 1", ReaderSettings(max_record_bytes=2**20)),
    ],
)
def test_the_options_are_the_settings(arguments: str, settings: ReaderSettings) -> None:
    found.clear()
    done = CliRunner().invoke(app, arguments.split(), catch_exceptions=False)
    assert done.exit_code == 0
    assert found == [settings]

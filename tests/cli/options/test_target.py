from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from embed_plugin.cli.options import target as options
from embed_plugin.ingest import CollectionSettings

app = typer.Typer()


@app.command()
def made(  # noqa: PLR0913 - an option is an argument
    *,
    layout: options.Layout = None,
    vectors_on_disk: options.VectorsOnDisk = None,
    shards: options.Shards = None,
    payload_indexes: options.PayloadIndexes = None,
    bulk_load: options.BulkLoad = False,
    recreate: options.Recreate = False,
    yes: options.Yes = False,
) -> None:
    options.require_yes(recreate=recreate, yes=yes)
    settings = options.collection_settings(
        layout=layout,
        vectors_on_disk=vectors_on_disk,
        shards=shards,
        payload_indexes=payload_indexes,
        bulk_load=bulk_load,
    )
    typer.echo(repr(settings))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ([], CollectionSettings()),
        (["--layout", "llama-index", "--shards", "2"], CollectionSettings(layout="llama-index", shards=2)),
        (["--vectors-in-memory", "--bulk-load"], CollectionSettings(vectors_on_disk=False, bulk_load=True)),
        (
            ["--payload-index", "lang", "--payload-index", "metadata.page:integer"],
            CollectionSettings(payload_indexes={"lang": "keyword", "metadata.page": "integer"}),
        ),
        (["--recreate", "--yes"], CollectionSettings()),
    ],
)
def test_options_become_settings(arguments: list[str], expected: CollectionSettings) -> None:
    found = CliRunner().invoke(app, arguments)
    assert (found.exit_code, found.output.strip()) == (0, repr(expected))


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--payload-index", "page:number"], "expected KEY or KEY:KIND"),
        (["--payload-index", ":integer"], "expected KEY or KEY:KIND"),
        (["--recreate"], "Add --yes"),
        (["--shards", "0"], "--shards"),
        (["--layout", "haystack"], "llama-index"),
    ],
)
def test_a_wrong_option_is_wrong_usage(arguments: list[str], says: str) -> None:
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert found.exit_code == 2
    assert says in found.output

from __future__ import annotations

import pytest
import typer
from typer.testing import CliRunner

from embed_plugin.cli.options.collection import Recreation  # noqa: TC001 - typer reads the annotation
from embed_plugin.cli.options.groups import with_option_groups
from embed_plugin.cli.options.new_collection import NewCollection  # noqa: TC001 - typer reads the annotation
from embed_plugin.ingest import CollectionSettings

app = typer.Typer()


@app.command()
@with_option_groups
def made(*, new_collection: NewCollection, recreation: Recreation) -> None:
    recreation.confirmed()
    typer.echo(repr(new_collection.settings()))


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
        (
            ["--sparse", "bm25", "--sparse-language", "german", "--bm25-k", "0", "--bm25-mean-words", "90"],
            CollectionSettings(sparse="bm25", sparse_language="german", bm25_k=0.0, bm25_mean_words=90.0),
        ),
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
        (["--sparse", "bm25", "--sparse-language", "klingon"], "'klingon', expected one of arabic, armenian"),
        (["--sparse-language", "german"], "choose sparse bm25 too"),
        (["--sparse", "bm25", "--bm25-b", "2"], "--bm25-b"),
        (["--sparse", "bm25", "--bm25-mean-words", "0"], "expected more than 0"),
        (["--layout", "haystack"], "llama-index"),
    ],
)
def test_a_wrong_option_is_wrong_usage(arguments: list[str], says: str) -> None:
    found = CliRunner().invoke(app, arguments, env={"COLUMNS": "200", "TERM": "dumb"})
    assert found.exit_code == 2
    assert says in found.output

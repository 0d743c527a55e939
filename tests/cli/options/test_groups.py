"""Option groups, and their agreement with the settings they stand for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any, get_type_hints

import pytest
import typer
from typer.testing import CliRunner

from embed_plugin.cli.commands.export import ExportOptions
from embed_plugin.cli.commands.serve import ServeOptions
from embed_plugin.cli.options.groups import OptionGroup, with_option_groups
from embed_plugin.cli.options.new_collection import NewCollection
from embed_plugin.cli.options.reading import Reading
from embed_plugin.cli.options.run import Run
from embed_plugin.export import ExportSettings
from embed_plugin.export.choose_exporter import ExporterName
from embed_plugin.ingest import CollectionSettings, Format, IngestSettings, LayoutName, ReaderSettings
from embed_plugin.ingest.chunk.context import ContextRule
from embed_plugin.ingest.partition import Shard
from embed_plugin.ingest.stores.bm25_settings import Language
from embed_plugin.protocols import TextLateInteractionEncoder, TextSparseEncoder
from embed_plugin.serve import ServeSettings
from embed_plugin.types import Precision

GROUPS: dict[type[Any], tuple[type[Any], set[str]]] = {
    Reading: (ReaderSettings, {"max_record_bytes", "max_parse_bytes"}),  # in MB
    NewCollection: (CollectionSettings, set()),
    Run: (IngestSettings, {"window_records", "window_characters"}),
    ExportOptions: (ExportSettings, set()),
    ServeOptions: (ServeSettings, {"receive_seconds", "connections"}),
}
"""The settings of each group, and the settings without an option of the same name."""

CONVERTED = {
    "model_names",
    "trusted_proxies",
    "text_fields",
    "metadata_fields",
    "include",
    "exclude",
    "payload_indexes",
    "sparse",
    "late",
    "sparse_language",
    "shard",
    "min_cosine",
}
"""Options whose type differs from the setting's: a list for a tuple, text to parse, None for the default."""

PROTOCOLS = (TextSparseEncoder, TextLateInteractionEncoder)
NAMES = {each.__name__: each for each in (Mapping, Path, Shard, *PROTOCOLS)} | {
    "ContextRule": ContextRule,
    "ExporterName": ExporterName,
    "Format": Format,
    "Language": Language,
    "LayoutName": LayoutName,
    "Precision": Precision,
}


@pytest.mark.parametrize("group", GROUPS)
def test_a_setting_is_an_option(group: type[Any]) -> None:
    settings, others = GROUPS[group]
    options = {each.name for each in fields(group)} - {"max_record_mb", "max_parse_mb"}
    assert options == {each.name for each in fields(settings)} - others


@pytest.mark.parametrize("group", GROUPS)
def test_an_option_that_is_not_given_is_the_settings_default(group: type[Any]) -> None:
    assert group().settings() == GROUPS[group][0]()


@pytest.mark.parametrize("group", GROUPS)
def test_an_option_has_the_type_of_its_setting(group: type[Any]) -> None:
    expected = get_type_hints(GROUPS[group][0], localns=NAMES)
    found = get_type_hints(group)
    for name in (found.keys() & expected.keys()) - CONVERTED:
        assert found[name] == expected[name], name


@dataclass(frozen=True, kw_only=True)
class Paint(OptionGroup, panel="Paint"):
    colour: Annotated[str, typer.Option(help="Its colour.")]
    paint: Annotated[str, typer.Option(help="Its make.")] = "oil"
    coats: Annotated[int, typer.Option(help="Its coats.", rich_help_panel="Work")] = 2
    tags: Annotated[list[str] | None, typer.Option("--tag", help="Its tags.")] = None


app = typer.Typer()


@app.command()
@with_option_groups
def painted(wall: str, *, paint: Paint, dry: bool = False) -> None:
    typer.echo(f"{wall} {paint} {dry} {paint.given()}")


def test_a_groups_options_are_options_of_the_command() -> None:
    done = CliRunner().invoke(app, ["north", "--colour", "red", "--tag", "a", "--tag", "b", "--dry"])
    given = {"colour": "red", "paint": "oil", "coats": 2, "tags": ("a", "b")}
    assert done.output.strip() == f"north {Paint(colour='red', tags=['a', 'b'])} True {given}"


def test_help_shows_them_in_their_sections() -> None:
    shown = CliRunner().invoke(app, ["--help"]).output
    assert all(section in shown for section in ("Paint ─", "Work ─", "Its colour.", "Its coats."))


def test_a_missing_option_of_a_group_is_wrong_usage() -> None:
    assert CliRunner().invoke(app, ["north"]).exit_code == 2

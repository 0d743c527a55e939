"""``embed-plugin models``: the table of known models."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer


def models(
    words: Annotated[
        list[str] | None, typer.Argument(help="Show models whose row has all of these words.", metavar="[WORD]...")
    ] = None,
    json_target: Annotated[str | None, typer.Option("--json", help="Write JSON to this file, - for stdout.")] = None,
) -> None:
    """Show the models that are known to work. Other checkpoints of their families work too.

    A dimension with <= may be cut (export --dimension). Models without prefixes have none, or state them themselves.

    Example:  embed-plugin models multilingual apache-2.0
    """
    from embed_plugin.cli.reports.known_models import known_models_table, megabytes  # noqa: PLC0415
    from embed_plugin.cli.reports.output import write_json  # noqa: PLC0415
    from embed_plugin.errors import InvalidInputError  # noqa: PLC0415
    from embed_plugin.model.known_models import known_models  # noqa: PLC0415

    wanted = [word.lower() for word in words or ()]
    found = [row for row in known_models() if all(word in str(asdict(row)).lower() for word in wanted)]
    if not found:
        raise InvalidInputError(f"no model has {' and '.join(words or ())} in its row: try fewer words")
    if json_target:
        write_json([{**asdict(row), "int8_megabytes": megabytes(row)} for row in found], json_target)
    else:
        print(known_models_table(found))  # noqa: T201 - the command's output

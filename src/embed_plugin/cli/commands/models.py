"""``embed-plugin models``: the table of known models."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Literal

import typer


def models(
    words: Annotated[
        list[str] | None, typer.Argument(help="Show models whose row has all of these words.", metavar="[WORD]...")
    ] = None,
    kind: Annotated[
        Literal["embedding", "reranker", "sparse", "late-interaction"] | None,
        typer.Option(help="Show models that give this kind of result.", show_default=False),
    ] = None,
    json_target: Annotated[str | None, typer.Option("--json", help="Write JSON to this file, - for stdout.")] = None,
) -> None:
    """Show the models that are known to work. Other checkpoints of their families work too.

    A dimension with <= may be cut (export --dimension). Models without prefixes have none, or state them themselves. A
    kind with +2 gives two more from the same folder.

    Example:  embed-plugin models multilingual apache-2.0 --kind reranker
    """
    from embed_plugin.cli.reports.known_models import known_models_table, megabytes  # noqa: PLC0415
    from embed_plugin.cli.reports.output import write_json  # noqa: PLC0415
    from embed_plugin.errors import InvalidInputError  # noqa: PLC0415
    from embed_plugin.model.known_models import known_models  # noqa: PLC0415

    wanted = [word.lower() for word in words or ()]
    rows = [row for row in known_models() if kind is None or kind in row.kinds]
    found = [row for row in rows if all(word in str(asdict(row)).lower() for word in wanted)]
    if not found:
        of_kind = f" of the kind {kind}" if kind else ""
        raise InvalidInputError(f"no model{of_kind} has {' and '.join(words or ())} in its row: try fewer words")
    if json_target:
        write_json([{**asdict(row), "int8_megabytes": megabytes(row)} for row in found], json_target)
    else:
        print(known_models_table(found))  # noqa: T201 - the command's output

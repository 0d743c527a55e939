"""The option ``--quiet`` of commands that may take long."""

from __future__ import annotations

from typing import Annotated, TypeAlias

import typer

Quiet: TypeAlias = Annotated[
    bool, typer.Option("--quiet", help="Show no progress on stderr; warnings and errors are shown.")
]

"""Output that commands share: facts as lines or JSON, and warnings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.cli.printable import printable, say
from embed_plugin.errors import OutputError
from embed_plugin.model.known_models import recommended_multilingual

if TYPE_CHECKING:
    from collections.abc import Mapping


MOST_UNKNOWN = 0.3
"""Share of unknown tokens above which commands warn. English text under an English WordPiece has nearly none, a Chinese
documentation site 0.38."""


def print_facts(facts: Mapping[str, object]) -> None:
    """Print names and values, one pair a line, values aligned."""
    shown = {printable(name).replace("_", " "): printable(value) for name, value in facts.items()}
    width = max(map(len, shown))
    for name, value in shown.items():
        print(f"{name:<{width}}  {value}")  # noqa: T201 - the command's output


def warn_of_unknown(unknown: int | None, tokens: int) -> None:
    """Warn on stderr if more than :data:`MOST_UNKNOWN` of the tokens are unknown to the model's tokenizer."""
    if unknown is not None and unknown > MOST_UNKNOWN * tokens:
        share = (
            f"{unknown / tokens:.0%} of the tokens ({unknown:,} of {tokens:,}) are unknown to this model's tokenizer"
        )
        say(
            f"{share}, and texts that differ in those alone have the same vector: take a model of the texts' language "
            f"(embed-plugin models), or one of many languages, such as {recommended_multilingual().id}"
        )


def write_json(content: object, target: str) -> None:
    """Write JSON to a file, or to stdout for ``-``.

    Raises:
        OutputError: the file cannot be written.
    """
    if target == "-":
        print(_json(content, sys.stdout.encoding))  # noqa: T201 - the command's output
        return
    try:
        Path(target).write_text(_json(content, "utf-8") + "\n", encoding="utf-8")
    except OSError as error:
        raise OutputError(f"{target} cannot be written ({error.strerror}): choose another --json") from error


def _json(content: object, encoding: str) -> str:
    """Write JSON for a stream of an encoding, with escapes if that has not all of its characters."""
    text = json.dumps(content, indent=2, ensure_ascii=False)
    try:
        text.encode(encoding)
    except UnicodeEncodeError:
        return json.dumps(content, indent=2)
    return text

"""Output that commands share: facts as lines or JSON, and warnings."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from embed_plugin.cli.printable import count_of, printable, say
from embed_plugin.errors import OutputError
from embed_plugin.model.known_models import recommended_multilingual

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest import CollectionSettings


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


def warn_of_cut(models: CollectionSettings) -> None:
    """Warn on stderr of texts that were longer than a model of vectors beside the dense one takes."""
    limits = {
        "sparse": (models.sparse_model, getattr(models.sparse_model, "max_tokens", 0)),
        "token": (models.late, getattr(models.late, "max_tokens", 0)),
    }
    for name, (model, limit) in limits.items():
        cut = getattr(getattr(model, "runtime", None), "cut_texts", 0)
        if cut:
            say(
                f"{count_of(cut, 'chunk')} had more than the {limit} tokens that the {name} vectors' model takes, "
                "so these are of the beginning alone: a smaller --chunk-tokens keeps all of a text"
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

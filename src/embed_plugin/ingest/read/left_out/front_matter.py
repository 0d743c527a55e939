"""Read front matter: the YAML or TOML that a Markdown file may begin with."""

from __future__ import annotations

import datetime as dt
import re
import tomllib
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from embed_plugin.ingest.metadata import stored_form

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.ingest.records import JSON

LONGEST = 65_536
"""Characters of front matter; what is longer is text."""

_YAML = re.compile(r"\ufeff?---[ \t]*\n(.*?)^(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)
_TOML = re.compile(r"\ufeff?\+\+\+[ \t]*\n(.*?)^\+\+\+[ \t]*(?:\n|\Z)", re.DOTALL | re.MULTILINE)


class FrontMatter(NamedTuple):
    """The front matter of a file.

    Attributes:
        end: Position of the first character behind it.
        metadata: Its fields; dates and times as ISO 8601.
    """

    end: int
    metadata: Mapping[str, JSON]


class _Loader(yaml.SafeLoader):  # type: ignore[misc] # it has no types
    """YAML without aliases: a few of them inside each other would be gigabytes."""

    def compose_node(self, parent: Any, index: Any) -> Any:  # noqa: ANN401 - PyYAML's nodes
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("an alias")
        return super().compose_node(parent, index)


def read_front_matter(text: str) -> FrontMatter | None:
    """Read the front matter of a Markdown file: YAML between lines of ``---``, or TOML between lines of ``+++``.

    None for what only looks like it, such as a rule across the page: no object, an error, an alias, a value that is no
    JSON, or more than 65,536 characters. It stays in the text.
    """
    head = text[:LONGEST]
    if (found := _YAML.match(head)) is not None:
        fields = _of_yaml(found[1])
    elif (found := _TOML.match(head)) is not None:
        fields = _of_toml(found[1])
    else:
        return None
    return None if fields is None else FrontMatter(found.end(), fields)


def _of_yaml(content: str) -> Mapping[str, JSON] | None:
    try:
        return _stored(yaml.load(content, _Loader))  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, TypeError, RecursionError):  # ValueError: such as the 30th of February
        return None


def _of_toml(content: str) -> Mapping[str, JSON] | None:
    try:
        return _stored(tomllib.loads(content))
    except (tomllib.TOMLDecodeError, ValueError, TypeError, RecursionError):
        return None


def _stored(value: object) -> Mapping[str, JSON] | None:
    """The fields as metadata is stored; None if they are no object."""
    if value is None:
        return {}
    if not isinstance(value, dict):
        return None
    made: Mapping[str, JSON] = _as_json(value)
    stored_form(made)  # raises for what it refuses
    return made


def _as_json(value: Any) -> Any:  # noqa: ANN401 - any value of YAML
    if isinstance(value, dict):
        return {str(key): _as_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_as_json(item) for item in value]
    if isinstance(value, dt.date | dt.time):  # a datetime is a date
        return value.isoformat()
    return value

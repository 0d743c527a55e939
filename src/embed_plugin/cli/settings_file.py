"""Defaults of options in ``embed-plugin.toml``, or in the table ``[tool.embed-plugin]`` of ``pyproject.toml``.

An option given on the command line takes precedence over its environment variable, and that over the file. The file is
that of the current folder: its own, and only if that is absent, the project's.
"""

from __future__ import annotations

import tomllib
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_FILE = "embed-plugin.toml"
PROJECT_FILE = "pyproject.toml"
KEYS = ("model", "to", "collection")
"""The options that may stand in the file: those with an environment variable ``EMBED_PLUGIN_...``."""

_VARIABLES = {f"EMBED_PLUGIN_{key.upper()}": key for key in KEYS}
_TABLE = "embed-plugin"


def defaults_of(commands: Mapping[str, Any], arguments: list[str]) -> dict[str, dict[str, str]]:
    """The defaults that the file gives the command that is run, as click's ``default_map`` has them.

    The file is read only if the command has such options, and is not asked for its help.

    Args:
        commands: The commands of typer's group, by name.
        arguments: Of the command line.

    Raises:
        InvalidInputError: the file cannot be read, or has a key or a value that is unknown.
    """
    name = arguments[0] if arguments else ""
    if name not in commands or "--help" in arguments:
        return {}
    taken = {option.name: key for option in commands[name].params if (key := _VARIABLES.get(str(option.envvar)))}
    settings = read_settings(Path()) if taken else {}
    return {name: {option: settings[key] for option, key in taken.items() if key in settings}}


def read_settings(folder: Path) -> dict[str, str]:
    """Read the settings of a folder; none if it has no file of them.

    Raises:
        InvalidInputError: the file cannot be read, or has a key or a value that is unknown.
    """
    own, project = folder / OWN_FILE, folder / PROJECT_FILE
    if own.is_file():
        return _checked(_tables(own), str(own))
    if not project.is_file() or _TABLE not in _text(project):  # a project's file may be wrong in what others read
        return {}
    tools = _tables(project).get("tool")
    return _checked(tools.get(_TABLE, {}), f"{project}, [tool.{_TABLE}]") if isinstance(tools, dict) else {}


def _checked(table: object, where: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise InvalidInputError(f"{where}: {table!r}, expected a table with {', '.join(KEYS)}")
    for key, value in table.items():
        if key not in KEYS:
            nearest = get_close_matches(key, KEYS, n=1, cutoff=0)[0]
            expected = f"expected one of {', '.join(KEYS)}"
            raise InvalidInputError(f"{where}: the key {key!r} is unknown, {expected}; did you mean {nearest!r}?")
        if not isinstance(value, str) or not value:
            raise InvalidInputError(f'{where}: {key} is {value!r}, expected text in quotes: {key} = "..."')
    return table


def _tables(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(_text(path))
    except tomllib.TOMLDecodeError as error:
        raise InvalidInputError(f"{path} is not TOML ({error}): mend it, or remove it") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(f"{path} cannot be read ({error}), expected TOML in UTF-8: mend it") from error

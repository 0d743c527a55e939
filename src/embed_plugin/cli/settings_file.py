"""Defaults of options in ``embed-plugin.toml``, or in the table ``[tool.embed-plugin]`` of ``pyproject.toml``.

An option given on the command line takes precedence over its environment variable, and that over the file. The file is
that of the current folder: its own, and only if that is absent, the project's.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from embed_plugin.cli.jobs import job_defaults, job_of
from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping

OWN_FILE = "embed-plugin.toml"
PROJECT_FILE = "pyproject.toml"
KEYS = ("model", "to", "collection")
"""The options that may stand in the file: those with an environment variable ``EMBED_PLUGIN_...``."""

_VARIABLES = {f"EMBED_PLUGIN_{key.upper()}": key for key in KEYS}
_TABLE = "embed-plugin"
_JOBS = "jobs"


@dataclass(frozen=True)
class FileSettings:
    """The settings of a file.

    Attributes:
        where: The file, for messages.
        values: The options by their keys.
        jobs: The options of each job, by its name; not checked yet.
    """

    where: str = ""
    values: Mapping[str, str] = field(default_factory=dict)
    jobs: Mapping[str, object] = field(default_factory=dict)


def defaults_of(commands: Mapping[str, Any], arguments: list[str]) -> dict[str, dict[str, object]]:
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
    settings = read_settings(Path()) if taken else FileSettings()
    defaults = {option: settings.values[key] for option, key in taken.items() if key in settings.values}
    job = job_of(arguments) if any("--job" in option.opts for option in commands[name].params) else None
    if job is None:
        return {name: {**defaults}}
    return {name: defaults | job_defaults(job, settings.jobs, commands[name].params, settings.where or OWN_FILE)}


def read_settings(folder: Path) -> FileSettings:
    """Read the settings of a folder; none if it has no file of them.

    Raises:
        InvalidInputError: the file cannot be read, or has a key or a value that is unknown.
    """
    own, project = folder / OWN_FILE, folder / PROJECT_FILE
    if own.is_file():
        return _checked(_tables(own), str(own))
    if not project.is_file() or _TABLE not in _text(project):  # a project's file may be wrong in what others read
        return FileSettings()
    tools = _tables(project).get("tool")
    return _checked(tools.get(_TABLE, {}), f"{project}, [tool.{_TABLE}]") if isinstance(tools, dict) else FileSettings()


def _checked(table: object, where: str) -> FileSettings:
    if not isinstance(table, dict):
        raise InvalidInputError(f"{where}: {table!r}, expected a table with {', '.join(KEYS)}")
    values = {key: value for key, value in table.items() if key != _JOBS}
    for key, value in values.items():
        if key not in KEYS:
            nearest = get_close_matches(key, (*KEYS, _JOBS), n=1, cutoff=0)[0]
            expected = f"expected one of {', '.join(KEYS)}, {_JOBS}"
            raise InvalidInputError(f"{where}: the key {key!r} is unknown, {expected}; did you mean {nearest!r}?")
        if not isinstance(value, str) or not value:
            raise InvalidInputError(f'{where}: {key} is {value!r}, expected text in quotes: {key} = "..."')
    jobs = table.get(_JOBS, {})
    if not isinstance(jobs, dict):
        raise InvalidInputError(f"{where}: {_JOBS} is {jobs!r}, expected tables [{_JOBS}.NAME]")
    return FileSettings(where, values, jobs)


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

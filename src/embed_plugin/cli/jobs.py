"""Jobs of the settings file: the options and paths of an ingest, under a name."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

OPTION = "--job"
_NOT_IN_A_FILE = {"help", "job", "recreate", "yes", "api-key", "retry-rejected"}
"""A file repeats what it says in every run, and is no place for a secret."""


def job_of(arguments: Sequence[str]) -> str | None:
    """Return the job that a command line names; the last one if there are several."""
    named = None
    for number, argument in enumerate(arguments):
        if argument == OPTION and number + 1 < len(arguments):
            named = arguments[number + 1]
        elif argument.startswith(f"{OPTION}="):
            named = argument.partition("=")[2]
    return named


def job_defaults(name: str, jobs: Mapping[str, object], options: Sequence[Any], where: str) -> dict[str, object]:
    """The defaults of a job, by the names of a command's parameters.

    Args:
        name: Of the job.
        jobs: The tables of the file's jobs, by name.
        options: The parameters of the command, as click has them.
        where: The file, for messages.

    Raises:
        InvalidInputError: there is no such job, or it has an unknown key or a value that its option does not take.
    """
    job = jobs.get(name)
    if not isinstance(job, dict):
        there = f"those there are: {', '.join(jobs)}" if jobs else "there are none"
        raise InvalidInputError(f"{where} has no job {name!r}, expected a table [jobs.{name}]; {there}")
    known = {one.lstrip("-"): option for option in options for one in option.opts}
    known = {key: option for key, option in known.items() if key not in _NOT_IN_A_FILE}
    found: dict[str, object] = {}
    for key, value in job.items():
        if key not in known:
            nearest = get_close_matches(key, known, n=1, cutoff=0)[0]
            kind = "no key of a job" if key in _NOT_IN_A_FILE else "unknown"
            raise InvalidInputError(f"{where}, [jobs.{name}]: the key {key!r} is {kind}; did you mean {nearest!r}?")
        if (expected := _expected(known[key], value)) is not None:
            raise InvalidInputError(f"{where}, [jobs.{name}]: {key} is {value!r}, expected {expected}")
        found[known[key].name] = value
    return found


def _expected(option: Any, value: object) -> str | None:  # noqa: ANN401 - typer may have its own copy of click
    """The kind of value that an option takes, if this is none."""
    if getattr(option, "is_flag", False):
        return None if isinstance(value, bool) else "true or false"
    if option.multiple or option.nargs == -1:
        fits = isinstance(value, list) and all(isinstance(one, str) and one for one in value)
        return None if fits else 'a list of texts: ["..."]'
    return None if isinstance(value, str | int | float) and not isinstance(value, bool) else "a text or a number"

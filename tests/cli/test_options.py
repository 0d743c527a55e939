"""Options keep their names, types, defaults and help texts: each command is compared with ``options.json``.

An option that is added or changed on purpose is one line there.
"""

from __future__ import annotations

import json
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer
from typer.utils import get_params_from_function

from embed_plugin.cli.app import app

PROMISED = Path(__file__).with_name("options.json")
FACTS = ("help", "show_default", "envvar", "hidden", "metavar", "min", "max")
USUAL = {"show_default": True, "hidden": False, "required": False}


def type_of(annotation: Any) -> str:  # noqa: ANN401 - a type, a union, a Literal
    """Return the name of a type, or the choices that it allows."""
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return "|".join(str(member.value) for member in annotation)
    if get_origin(annotation) is Literal:
        return "|".join(get_args(annotation))
    parts = [type_of(part) for part in get_args(annotation) if part is not type(None)]
    return f"list of {parts[0]}" if get_origin(annotation) is list else "".join(parts) or annotation.__name__


def options_of(command: Any) -> dict[str, dict[str, object]]:  # noqa: ANN401 - typer may have its own copy of click
    """Return every option and argument of a command, by its names."""
    declared = get_params_from_function(command.callback)
    found = {}
    for option in command.params:
        information, annotation = declared[option.name].default, declared[option.name].annotation
        facts = {name: getattr(information, name, None) for name in FACTS}
        facts |= {"type": type_of(annotation), "default": option.default, "required": option.required}
        names = "/".join([*option.opts, *option.secondary_opts])
        found[names] = {
            name: value
            for name, value in sorted(facts.items())
            if value not in (None, ()) and value is not USUAL.get(name)
        }
    return dict(sorted(found.items()))


def options() -> dict[str, dict[str, dict[str, object]]]:
    """Return the options of every command."""
    group: Any = typer.main.get_command(app)
    return {name: options_of(command) for name, command in sorted(group.commands.items())}


def test_every_option_is_as_promised() -> None:
    assert json.loads(json.dumps(options(), default=str)) == json.loads(PROMISED.read_text(encoding="utf-8"))

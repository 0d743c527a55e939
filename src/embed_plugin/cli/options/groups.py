"""Option groups: dataclasses whose fields are options of a command.

A group stands for settings of the package, which it cannot be derived from: they lie behind an extra, and ``--help``
must work without one. It names each field once more with its help text, and a test compares the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from copy import copy
from dataclasses import MISSING, Field, fields
from functools import wraps
from inspect import Parameter, Signature, signature
from operator import getitem
from typing import Annotated, Any, ClassVar, get_args, get_type_hints


class OptionGroup:
    """Base of the groups. Subclasses are frozen dataclasses, their fields annotated like a command's parameters.

    Attributes:
        panel: The section of ``--help`` that shows the options, except those with a section of their own.
    """

    panel: ClassVar[str]
    __dataclass_fields__: ClassVar[dict[str, Field[Any]]]

    def __init_subclass__(cls, *, panel: str) -> None:
        """Set the section of ``--help``."""
        cls.panel = panel

    def given(self) -> dict[str, Any]:
        """The options that have a value, by field name; a setting without one keeps its default."""
        values = {name: tuple(value) if isinstance(value, list) else value for name, value in vars(self).items()}
        return {name: value for name, value in values.items() if value not in (None, ())}


def with_option_groups(command: Callable[..., None]) -> Callable[..., None]:
    """Replace each parameter of a command that is a group by the options of that group.

    typer reads the signature of the returned function; called with options, it makes the groups and calls the command.
    """
    hints = get_type_hints(command, include_extras=True)
    groups = {name: hint for name, hint in hints.items() if isinstance(hint, type) and issubclass(hint, OptionGroup)}

    others = hints.keys() - groups.keys()

    @wraps(command)
    def run(**options: object) -> None:
        made = {name: _made(group, options) for name, group in groups.items()}
        command(**{name: value for name, value in options.items() if name in others}, **made)

    parameters = list(_expanded(command, hints, groups))
    run.__signature__ = Signature(parameters)  # type: ignore[attr-defined] # inspect reads it
    run.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return run


def _made(group: type[OptionGroup], options: Mapping[str, object]) -> OptionGroup:
    return group(**{each.name: options[each.name] for each in fields(group)})


def _expanded(
    command: Callable[..., None], hints: Mapping[str, Any], groups: Mapping[str, type[OptionGroup]]
) -> Iterator[Parameter]:
    for name, parameter in signature(command).parameters.items():
        if name in groups:
            yield from _options(groups[name])
        else:
            yield parameter.replace(annotation=hints[name], kind=Parameter.KEYWORD_ONLY)


def _options(group: type[OptionGroup]) -> Iterator[Parameter]:
    hints = get_type_hints(group, include_extras=True)
    for each in fields(group):
        kind, option = get_args(hints[each.name])
        option = copy(option)
        option.rich_help_panel = option.rich_help_panel or group.panel
        default = Parameter.empty if each.default is MISSING else each.default
        annotation = getitem(Annotated, (kind, option))
        yield Parameter(each.name, Parameter.KEYWORD_ONLY, default=default, annotation=annotation)

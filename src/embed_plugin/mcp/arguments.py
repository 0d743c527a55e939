"""Arguments of tools: their JSON Schema, and the check of what a call gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

from embed_plugin.errors import InvalidInputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Value: TypeAlias = "str | int | tuple[str, ...]"


@dataclass(frozen=True)
class Argument:
    """An argument of a tool.

    Attributes:
        name: Its name.
        kind: The JSON type; ``strings`` is an array of strings.
        description: What the model that calls the tool reads.
        required: Whether a call must give it.
        default: Its value where a call does not; None: it is left out then.
        least: The minimum of an integer.
        most: The maximum of an integer.
        choices: The strings that are allowed; empty: any but the empty one.
    """

    name: str
    kind: Literal["string", "integer", "strings"]
    description: str
    required: bool = False
    default: Value | None = None
    least: int | None = None
    most: int | None = None
    choices: tuple[str, ...] = ()

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of its value."""
        if self.kind == "strings":
            items = {"type": "string", "minLength": 1}
            return {"type": "array", "items": items, "description": self.description}
        facts = {"default": self.default, "minimum": self.least, "maximum": self.most, "enum": list(self.choices)}
        given = {name: value for name, value in facts.items() if value not in (None, [])}
        shortest = {"minLength": 1} if self.kind == "string" and not self.choices else {}
        return {"type": self.kind, "description": self.description, **shortest, **given}

    def checked(self, value: object) -> Value:
        """Return the value of a call.

        Raises:
            InvalidInputError: it is of another type, or out of range.
        """
        if self.kind == "string" and isinstance(value, str) and (value in self.choices or self._is_free(value)):
            return value
        if self.kind == "integer" and (number := _whole(value)) is not None and self._has(number):
            return number
        if self.kind == "strings" and isinstance(value, list) and all(map(_is_text, value)):
            return tuple(value)
        raise InvalidInputError(f"{self.name} is {value!r}, expected {self.expected()}")

    def _is_free(self, value: str) -> bool:
        return not self.choices and _is_text(value)

    def _has(self, number: int) -> bool:
        return (self.least is None or number >= self.least) and (self.most is None or number <= self.most)

    def expected(self) -> str:
        """Return what a value has to be, for messages."""
        if self.choices:
            return f"one of: {', '.join(self.choices)}"
        if self.kind == "string":
            return "a text that is not empty"
        if self.kind == "strings":
            return "a list of texts that are not empty"
        return f"a whole number from {self.least} on" if self.most is None else f"{self.least} to {self.most}"


def schema_of(arguments: Sequence[Argument]) -> dict[str, Any]:
    """Return the JSON Schema of a tool's arguments."""
    return {
        "type": "object",
        "properties": {one.name: one.schema() for one in arguments},
        "required": [one.name for one in arguments if one.required],
        "additionalProperties": False,
    }


def check_arguments(arguments: Sequence[Argument], given: Mapping[str, object]) -> dict[str, Value]:
    """Return the values of a call by name, with defaults; those that are left out, and have none, are absent.

    Raises:
        InvalidInputError: one is unknown, missing, of another type or out of range.
    """
    names = [one.name for one in arguments]
    if unknown := [name for name in given if name not in names]:
        raise InvalidInputError(f"unknown argument {', '.join(unknown)}, expected {', '.join(names) or 'none'}")
    values: dict[str, Value] = {}
    for one in arguments:
        value = given.get(one.name)
        if value is not None:
            values[one.name] = one.checked(value)
        elif one.required:
            raise InvalidInputError(f"{one.name} is missing, expected {one.expected()}")
        elif one.default is not None:
            values[one.name] = one.default
    return values


def _is_text(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _whole(value: object) -> int | None:
    """A whole number; JSON has no other way to write 5 than 5 or 5.0."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return int(value) if float(value).is_integer() else None

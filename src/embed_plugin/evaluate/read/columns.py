"""The columns of a dataset, and the values of a row in them."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from embed_plugin.errors import RecordError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


@dataclass(frozen=True)
class Columns:
    """The columns to read.

    Attributes:
        needed: The names that each may have; of these, the first one in the file is read.
        optional: Read if present.
        exact: Refuse a file with none of the optional columns but with unknown ones, which may be the same column under
            another name.
    """

    needed: tuple[tuple[str, ...], ...]
    optional: tuple[str, ...] = ()
    exact: bool = False

    def choose(self, names: Sequence[str], place: str) -> list[str]:
        """Return the names to read, of those that a file or a row has.

        Raises:
            RecordError: a needed one is not there, or another one is in place of an optional one.
        """
        chosen = [next((name for name in each if name in names), "") for each in self.needed]
        found = [name for name in [*chosen, *self.optional] if name in names]
        unclear = self.exact and set(found) < set(names) and not set(self.optional) & set(names)
        if "" in chosen or unclear:
            expected = [" or ".join(each) for each in (*self.needed, *((name,) for name in self.optional))]
            message = f"{place}: found the columns {', '.join(names)}; expected {', '.join(expected)}"
            raise RecordError(f"{message}: rename them")
        return found


class Row(NamedTuple):
    """A row of a table, or an object of JSON Lines.

    Attributes:
        place: File and line or row, for messages.
        values: By column.
    """

    place: str
    values: Mapping[str, object]

    def identifier(self, *names: str) -> str:
        """The id in the first of these columns that is there; a whole number becomes a string.

        Raises:
            RecordError: it is neither.
        """
        value = next((self.values[name] for name in names if name in self.values), None)
        if isinstance(value, bool) or not isinstance(value, str | int):
            raise RecordError(f"{self.place}: no field {names[0]!r} with a string: name the record in that field")
        return str(value)

    def string(self, name: str) -> str:
        """The text in a column.

        Raises:
            RecordError: there is none.
        """
        value = self.values.get(name)
        if not isinstance(value, str):
            raise RecordError(f"{self.place}: no field {name!r} with a string: put the text in that field")
        return value

    def number(self, name: str) -> float:
        """The finite number in a column, also written as a string.

        Raises:
            RecordError: there is none.
        """
        found = self.values.get(name)
        try:
            value = float(found) if isinstance(found, str | int | float) and not isinstance(found, bool) else math.nan
        except (ValueError, OverflowError):
            value = math.nan
        if not math.isfinite(value):
            message = f"{self.place}: the {name} is {found!r}, expected a number: correct it or leave the row out"
            raise RecordError(message)
        return value

"""Document prefixes that name fields of a record: ``title: {title|none} | text: ``.

``{title|none}`` is the record's title, or ``none`` where it has none. Only this form is a field: a name of letters,
digits and underscores, a bar, and the value of a record that lacks it, which may be empty. Other braces are text.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.texts import refuse_bad_texts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.types import Fields

_FIELD = re.compile(r"\{([A-Za-z_]\w*)\|([^{}|]*)\}", re.ASCII)
_WITHOUT_VALUE = re.compile(r"\{([A-Za-z_]\w*)\}", re.ASCII)


def fields_in(prefix: str) -> tuple[str, ...]:
    """The names of the fields in a document prefix, each once, in their order."""
    return tuple(dict.fromkeys(name for name, _ in _FIELD.findall(prefix)))


def filled(prefix: str, fields: Mapping[str, str]) -> str:
    """Fill the fields of a document prefix; those that are not given have the value that the prefix states."""
    return _FIELD.sub(lambda field: fields.get(field[1], field[2]), prefix)


def filled_for_each(prefix: str, fields: Fields, count: int) -> list[str]:
    """Fill a document prefix for each of ``count`` documents.

    Raises:
        InvalidInputError: there are more or fewer mappings than documents, or one has a name that the prefix has not,
            or a value that is no text.
    """
    if not isinstance(fields, list | tuple) or len(fields) != count:
        found = f"{len(fields)} of them" if isinstance(fields, list | tuple) else type(fields).__name__
        raise InvalidInputError(f"fields: found {found}, expected a list of {count} mappings, one for each text")
    names = fields_in(prefix)
    for number, each in enumerate(fields):
        if unknown := next((name for name in each if name not in names), None):
            there = ", ".join(names) or "none"
            found = f"fields of text {number}: {unknown!r} is not in the document prefix"
            raise InvalidInputError(f"{found}, which has {there}: leave it out, or name it there")
        for name, value in each.items():
            _refuse_bad_value(value, f"the field {name!r} of text {number}")
    return [filled(prefix, each) for each in fields]


def _refuse_bad_value(value: object, name: str) -> None:
    try:
        refuse_bad_texts([value], 0)
    except InvalidTextError as error:
        raise InvalidInputError(f"{name} {error.problem}") from error


def require_values(prefix: str) -> None:
    """Refuse a document prefix that was chosen now and looks like a template, but would be taken as it stands.

    Raises:
        InvalidInputError: a name is in braces without the value of a record that lacks the field.
    """
    if found := _WITHOUT_VALUE.search(prefix):
        name = found[1]
        raise InvalidInputError(
            f"the document prefix {prefix!r} has {{{name}}}, and no value for documents that lack the field. Write "
            f"{{{name}|none}}, or {{{name}|}} for nothing"
        )

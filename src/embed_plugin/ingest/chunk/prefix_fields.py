"""The fields of a record that a model's document prefix names, such as ``title: {title|none} | text: ``."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embed_plugin.protocols import field_encoder_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    import numpy.typing as npt

    from embed_plugin.ingest.records import JSON, Record
    from embed_plugin.protocols import TextEncoder
    from embed_plugin.types import Vectors

_HEADING = re.compile(r"(?:[^\S\n]*\n)* {0,3}#[ \t]+([^\n]*)")
"""A heading of the first level, with nothing but empty lines before it; more spaces before it would make it code."""

_LONGEST_TITLE = 200
"""Characters of a heading above which it is text: it would be put before every chunk."""


class PrefixFields:
    """Finds the values of the fields that an encoder's document prefix names, and encodes with them.

    Args:
        encoder: The encoder.

    Raises:
        InvalidInputError: its prefix names fields, and it takes texts alone.
    """

    def __init__(self, encoder: TextEncoder) -> None:
        self._encoder = encoder
        self._with_fields = field_encoder_of(encoder)
        self._names = self._with_fields.document_fields if self._with_fields else ()

    def of(self, record: Record) -> dict[str, str]:
        """The fields that a record has: a string or a number of its metadata by that name, else a Markdown title."""
        found = {name: _value(record.metadata.get(name)) for name in self._names}
        if found.get("title") == "" and record.syntax == "markdown":
            found["title"] = _title(record.text)
        return {name: value for name, value in found.items() if value}

    def encode(self, texts: Sequence[str], stored: Sequence[Mapping[str, str]]) -> Vectors:
        """Encode documents with those of their stored fields that the prefix names, ``(n, dimension)``."""
        if self._with_fields is None:
            return self._encoder.encode_documents(texts)
        return self._with_fields.encode_documents(texts, fields=self._named(stored))

    def count_tokens(self, texts: Sequence[str], stored: Sequence[Mapping[str, str]]) -> npt.NDArray[np.int64]:
        """Count the tokens of documents with those of their stored fields that the prefix names."""
        if self._with_fields is None:
            return self._encoder.count_tokens(texts)
        return self._with_fields.count_tokens(texts, fields=self._named(stored))

    def _named(self, stored: Sequence[Mapping[str, str]]) -> list[dict[str, str]]:
        return [{name: value for name, value in each.items() if name in self._names} for each in stored]


def _value(value: JSON) -> str:
    """A value on one line; empty for what is no string and no number."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return ""
    return " ".join(str(value).split())


def _title(markdown: str) -> str:
    """The text of a first line that is a heading of the first level; empty if there is none, or a long one."""
    found = _HEADING.match(markdown)
    heading = found[1].strip() if found else ""
    bare = heading.rstrip("#")  # a heading may be closed by them, behind white space
    title = _value(bare if bare[-1:].isspace() or not bare else heading)
    return title if len(title) <= _LONGEST_TITLE else ""

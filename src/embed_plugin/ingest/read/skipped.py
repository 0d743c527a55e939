"""What is left out of a run: counts by reason and suffix; the names go to a callback."""

from __future__ import annotations

import os
from collections import Counter
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

OTHER_SUFFIX = "other suffix"
"""No format has the suffix."""

OTHER_FORMAT = "other format"
"""Not of the one format that was asked for."""

NOT_INCLUDED = "not included"
HIDDEN = "hidden"
EXCLUDED = "excluded"
"""By ``.embedignore`` or ``--exclude``."""

NOT_REGULAR = "not a regular file"
CYCLE = "link to a folder around it"
EMPTY = "empty"
"""A record of white space."""

GITIGNORED = "ignored by git"
"""By a ``.gitignore`` file, or by ``.git/info/exclude``."""

NO_TEXT_FIELD = "JSON without a text field"
"""A JSON file of which no element can be a record, such as the settings of a program."""

DEAD_LETTERS = "dead-letter file"
STORED_SINCE = "stored since"
"""A dead letter whose record was stored after it was written."""


class SkippedItem(NamedTuple):
    """One thing that is left out.

    Attributes:
        name: Of a file, relative to its source's root; a folder, which has a ``/`` at its end, is left out as a whole.
        reason: One of the above.
    """

    name: str
    reason: str


class Skipped:
    """Counts what is left out.

    Attributes:
        counts: Number of things by reason, and by suffix in lower case (empty for none).
    """

    def __init__(self, on_skipped: Callable[[SkippedItem], None] | None = None) -> None:
        self.counts: dict[str, Counter[str]] = {}
        self._on_skipped = on_skipped

    def add(self, name: str, reason: str) -> None:
        """Count one thing, and call the callback."""
        suffix = os.path.splitext(name.rstrip("/"))[1].lower()  # noqa: PTH122 - of a name
        self.counts.setdefault(reason, Counter())[suffix] += 1
        if self._on_skipped:
            self._on_skipped(SkippedItem(name, reason))

    def total(self) -> int:
        """Number of things left out."""
        return sum(count.total() for count in self.counts.values())

"""An even sample of items whose number is not known beforehand."""

from __future__ import annotations

import random
from typing import Generic, TypeVar

T = TypeVar("T")


class Reservoir(Generic[T]):
    """Keeps an even sample of the items added (reservoir sampling, Vitter's algorithm R), the same in every run.

    Args:
        size: Items to keep.

    Attributes:
        items: The sample.
    """

    def __init__(self, size: int) -> None:
        self.items: list[T] = []
        self._size = size
        self._added = 0
        self._random = random.Random(0)  # noqa: S311 - a sample, no secret

    def add(self, item: T) -> None:
        """Keep the item, perhaps in place of another one, or drop it."""
        self._added += 1
        if len(self.items) < self._size:
            self.items.append(item)
        elif (at := self._random.randrange(self._added)) < self._size:
            self.items[at] = item

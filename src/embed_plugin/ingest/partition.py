"""The part of the records that a run takes when several machines share them (``--shard I/N``)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import numpy as np

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.ids import hashes_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy.typing as npt

    from embed_plugin.ingest.records import Record

_EXPECTED = "expected I/N with I from 1 to N, such as 2/4"


@dataclass(frozen=True)
class Shard:
    """One of ``of_shards`` parts of all records, chosen by a hash of the record's key.

    Every record is in exactly one part, the same on every machine and in every run, so the machines need no
    coordination. Ids of points do not depend on the part, so the number of parts may change from run to run.
    (The shards of a Qdrant collection are something else: ``CollectionSettings.shards``.)

    Attributes:
        number: Number of the part, from 1.
        of_shards: Number of parts.
    """

    number: int = 1
    of_shards: int = 1

    def __post_init__(self) -> None:
        if not 1 <= self.number <= self.of_shards:
            raise InvalidInputError(
                f"shard {self.number}/{self.of_shards}: expected I/N with I from 1 to N, such as 2/4"
            )

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read ``I/N``.

        Raises:
            InvalidInputError: it is something else.
        """
        found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text)
        if not found:
            raise InvalidInputError(f"shard {text!r}: {_EXPECTED}")
        return cls(int(found[1]), int(found[2]))

    def holds(self, keys: Sequence[str]) -> list[bool]:
        """Return for each record's key whether it is in this part."""
        return [bool(mine) for mine in self.holds_hashes(hashes_of(keys))]

    def holds_hashes(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """The same for keys of which only the hashes are known."""
        return np.asarray(hashes % np.uint64(self.of_shards) == self.number - 1)

    def of(self, records: Sequence[Record]) -> list[Record]:
        """The records of this part."""
        held = self.holds([record.key for record in records])
        return [record for record, mine in zip(records, held, strict=True) if mine]

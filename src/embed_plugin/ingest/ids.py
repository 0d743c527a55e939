"""Ids: of the point that a chunk is stored as, and of the records that a run has seen."""

from __future__ import annotations

import hashlib
import uuid
from functools import cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import numpy.typing as npt


_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_DNS, "embed-plugin")


def record_key(source_name: str, source_id: str) -> str:
    """The key of a record in a collection: its source and its id there. Neither holds a NUL character."""
    return f"{source_name}\x00{source_id}"


def point_id(namespace: str, key: str, index: int) -> str:
    """The id of a chunk's point: a UUID5, the same in every run and on every machine.

    Sinks make it with :meth:`.Sink.id_of`, which knows the namespace of the collection.

    Args:
        namespace: Of the collection; see :class:`.CollectionIdentity`.
        key: The record's; see :func:`record_key`.
        index: The chunk's, from 0.
    """
    return str(uuid.uuid5(_uuid_of(namespace), f"{key}\x00{index}"))


@cache
def _uuid_of(namespace: str) -> uuid.UUID:
    return uuid.uuid5(_NAMESPACE, namespace)


class SeenIds:
    """A set of record keys that keeps 64 bits of a hash of each: 10 million take 80 MB.

    The chance that two of 10 million keys have the same hash is 3 in a million (n^2 / 2^65).
    """

    def __init__(self) -> None:
        self._runs: list[npt.NDArray[np.uint64]] = []  # each sorted, and more than twice as long as the next

    def __len__(self) -> int:
        return sum(map(len, self._runs))

    def add(self, keys: Sequence[str]) -> list[bool]:
        """Add keys; returns for each whether it was there already, or stands earlier in ``keys``."""
        hashes = hashes_of(keys)
        repeated = self.contains_hashes(hashes)
        _, firsts = np.unique(hashes, return_index=True)
        again = np.ones(len(hashes), dtype=bool)
        again[firsts] = False
        repeated |= again
        self._merge(np.sort(hashes[~repeated]))
        return [bool(is_there) for is_there in repeated]

    def contains(self, keys: Sequence[str]) -> list[bool]:
        """Return for each key whether it was added."""
        return [bool(is_there) for is_there in self.contains_hashes(hashes_of(keys))]

    def contains_hashes(self, hashes: npt.NDArray[np.uint64]) -> npt.NDArray[np.bool_]:
        """The same for keys of which only the hashes are known."""
        found = np.zeros(len(hashes), dtype=bool)
        for run in self._runs:
            at = np.searchsorted(run, hashes)
            found |= run[np.minimum(at, len(run) - 1)] == hashes
        return found

    def _merge(self, run: npt.NDArray[np.uint64]) -> None:
        """Add a sorted run; merge it with the runs that are at most twice as long, so that there are few."""
        while self._runs and len(self._runs[-1]) <= 2 * len(run):
            run = np.sort(np.concatenate([self._runs.pop(), run]), kind="stable")
        if len(run):
            self._runs.append(run)


def hashes_of(keys: Iterable[str]) -> npt.NDArray[np.uint64]:
    """64 bits of each key's BLAKE2b, uint64 ``(n,)``; the same in every process."""
    digests = b"".join(hashlib.blake2b(key.encode(), digest_size=8).digest() for key in keys)
    return np.frombuffer(digests, dtype="<u8")

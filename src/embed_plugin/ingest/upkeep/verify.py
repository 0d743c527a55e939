"""Verify a collection: every chunk is stored once, with the vector of its text."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from embed_plugin.errors import InvalidInputError, TargetError
from embed_plugin.ingest.chunk.prefix_fields import PrefixFields
from embed_plugin.ingest.ids import hashes_of
from embed_plugin.ingest.records import text_hash_of
from embed_plugin.ingest.sampling import Reservoir

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    import numpy.typing as npt

    from embed_plugin.ingest.stores.sink import Sink, StoredChunk
    from embed_plugin.protocols import TextEncoder

SAMPLE = 64
"""Number of texts that are embedded again."""

LEAST_COSINE = 0.998
"""Minimum cosine of a stored vector and that of its text embedded again. It leaves room for another class of CPU, for
which a model folder's own check has the same floor, and for vectors stored as float16."""

_LARGEST_NORM_ERROR = 0.01  # float16 rounds a number by at most 0.0005 of it
_NAMED = 5


@dataclass(frozen=True)
class Verification:
    """The result of a verification.

    Attributes:
        points: Points scanned.
        sources: Records of those points.
        sampled: Texts embedded again.
        least_cosine: The minimum cosine of those to the stored vectors; 1.0 if none was sampled.
        problems: Number of points, or of records for ``missing`` and ``counts``, by kind of problem.
        examples: Names of some of them, for each kind of problem.
        foreign: Points that another program made, such as a framework's store: they are counted and not checked.
        least_cosines: The minimum cosine of the sampled points' other vectors, such as ``bm25`` or ``late``, to those
            of their texts made again, by the name of the vectors.
        unchecked: Names of vectors whose model was not given.
    """

    points: int
    sources: int
    sampled: int
    least_cosine: float
    problems: Mapping[str, int]
    examples: Mapping[str, Sequence[str]]
    foreign: int = 0
    least_cosines: Mapping[str, float] = field(default_factory=dict)
    unchecked: Sequence[str] = ()

    @property
    def is_sound(self) -> bool:
        """True if there is no problem."""
        return not self.problems


def verify(
    encoder: TextEncoder,
    sink: Sink,
    *,
    sample: int = SAMPLE,
    on_progress: Callable[[int, int], None] | None = None,
) -> Verification:
    """Scan a collection for damage.

    The kinds of problem: ``unknown`` (a point that ingest made, whose record's id is gone), ``wrong_id`` (the id does
    not follow from record and index), ``text_hash`` (the text is not the one that was embedded), ``vector`` (not
    finite, or not of unit length), ``other_vector`` (the vector of a sampled point is not that of its text),
    ``other_bm25``, ``other_sparse``, ``other_late`` (the same of a vector beside the dense one),
    ``missing`` (chunks of a record are missing), ``counts`` (a record's chunks disagree on their number, or exceed it).
    Points that another program made are counted apart.

    Memory use is 16 bytes per point, and a page of points.

    Args:
        encoder: The model that made the collection.
        sink: The collection, opened with the models of all its vectors; one without its model is not checked.
        sample: Number of texts to embed again, drawn evenly.
        on_progress: Called after each page with the points scanned and about how many there are.

    Raises:
        SpaceMismatchError: the collection holds vectors of another space.
        TargetError: there is no such collection, or the store cannot be reached.
    """
    if sample < 0:
        raise InvalidInputError(f"a sample of {sample} texts, expected 0 or more")
    if not sink.check(encoder):
        raise TargetError(f"{sink.target} has no collection {sink.collection!r}. Ingest into it first")
    scan = _Scan(sink, sample)
    total = sink.count(exact=False)
    for page in sink.scan(with_vectors=True):
        scan.take(page)
        if on_progress:
            on_progress(scan.points, max(total, scan.points))
    return scan.verification(encoder)


class _Page(NamedTuple):
    """The columns kept of each page of points."""

    sources: npt.NDArray[np.uint64]
    indexes: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]


class _Scan:
    def __init__(self, sink: Sink, sample: int) -> None:
        self.points = 0
        self._foreign = 0
        self._sink = sink
        self._problems: Counter[str] = Counter()
        self._examples: dict[str, list[str]] = {}
        self._pages: list[_Page] = []
        self._sample: Reservoir[StoredChunk] = Reservoir(sample)

    def take(self, page: Sequence[StoredChunk]) -> None:
        known = [chunk for chunk in page if self._is_known(chunk)]
        for chunk in known:
            problems = list(self._problems_of(chunk))
            for problem in problems:
                self._note(problem, _name(chunk))
            if "vector" not in problems:
                self._sample.add(chunk)
        self._pages.append(
            _Page(
                hashes_of(chunk.key for chunk in known),
                np.array([chunk.index for chunk in known], dtype=np.int32),
                np.array([chunk.stored.chunk_count for chunk in known], dtype=np.int32),
            )
        )

    def verification(self, encoder: TextEncoder) -> Verification:
        least_cosine = self._embed_again(encoder)
        others = self._sink.compare_others(self._sample.items)
        least_cosines = {name: self._least(name, cosines) for name, cosines in others.items() if cosines is not None}
        sources = self._check_counts()
        return Verification(
            self.points,
            sources,
            len(self._sample.items),
            least_cosine,
            dict(self._problems),
            dict(self._examples),
            self._foreign,
            least_cosines,
            [name for name, cosines in others.items() if cosines is None],
        )

    def _is_known(self, chunk: StoredChunk) -> bool:
        self.points += 1
        if chunk.is_foreign:
            self._foreign += 1
            return False
        if not chunk.source_id:
            self._note("unknown", f"point {chunk.id}")
        return bool(chunk.source_id)

    def _problems_of(self, chunk: StoredChunk) -> Iterator[str]:
        if chunk.id != self._sink.id_of(chunk.key, chunk.index):
            yield "wrong_id"
        if text_hash_of(chunk.text, chunk.fields) != chunk.stored.text_hash:
            yield "text_hash"
        if chunk.vector is None or not abs(float(np.linalg.norm(chunk.vector)) - 1) < _LARGEST_NORM_ERROR:
            yield "vector"  # NaN and infinity are not near 1 either

    def _embed_again(self, encoder: TextEncoder) -> float:
        chunks = self._sample.items
        if not chunks:
            return 1.0
        stored = np.array([chunk.vector for chunk in chunks], dtype=np.float32)
        stored /= np.linalg.norm(stored, axis=1, keepdims=True)
        fields = [chunk.fields for chunk in chunks]
        again = PrefixFields(encoder).encode([chunk.text for chunk in chunks], fields)
        return self._least("vector", (stored * again).sum(axis=1).tolist())

    def _least(self, name: str, cosines: Sequence[float]) -> float:
        """Note the sampled points whose vector of a name is not that of the text; return the minimum cosine."""
        for chunk, cosine in zip(self._sample.items, cosines, strict=True):
            if not cosine >= LEAST_COSINE:
                self._note(f"other_{name}", f"{_name(chunk)} (cosine {cosine:.4f})")
        return min(cosines, default=1.0)

    def _check_counts(self) -> int:
        """Compare the number of each record's chunks with their ``chunk_count``; return the number of records."""
        if not self._pages:
            return 0
        sources, indexes, counts = (np.concatenate(column) for column in zip(*self._pages, strict=True))
        self._pages.clear()
        unique, record = np.unique(sources, return_inverse=True)
        most, least = np.zeros(len(unique), np.int32), np.full(len(unique), np.iinfo(np.int32).max, np.int32)
        np.maximum.at(most, record, counts)
        np.minimum.at(least, record, counts)
        found = np.bincount(record, minlength=len(unique))
        highest = np.zeros(len(unique), np.int32)
        np.maximum.at(highest, record, indexes)
        wrong = (most != least) | (found > most) | (highest >= most)
        missing = ~wrong & (found < most)
        self._name_records(unique[missing], "missing")
        self._name_records(unique[wrong], "counts")
        return len(unique)

    def _name_records(self, hashes: npt.NDArray[np.uint64], problem: str) -> None:
        """Note records of which only hashes are known; another scan finds some of their ids."""
        if not len(hashes):
            return
        self._problems[problem] = len(hashes)
        names: dict[str, None] = {}
        for page in self._sink.scan():
            named = np.isin(hashes_of(chunk.key for chunk in page), hashes[:_NAMED])
            names.update(dict.fromkeys(chunk.name for chunk, found in zip(page, named, strict=True) if found))
            if len(names) == min(len(hashes), _NAMED):
                break
        self._examples[problem] = list(names)

    def _note(self, problem: str, name: str) -> None:
        self._problems[problem] += 1
        examples = self._examples.setdefault(problem, [])
        if len(examples) < _NAMED:
            examples.append(name)


def _name(chunk: StoredChunk) -> str:
    return f"{chunk.name} [{chunk.index}]"

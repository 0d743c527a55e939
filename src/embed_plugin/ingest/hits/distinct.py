"""Collapse equal and nearly equal hits, limit those of one record, and leave out those of low scores."""

from __future__ import annotations

import math
import re
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest.ids import record_key

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest.query import Hit

LEAST_SHARED = 0.95
"""Part of all words of two texts that both have, each as often, from which on the texts are nearly equal."""

CANDIDATES = 20
"""Hits to search for, for each that is wanted: so many may be equal."""

Grouping: TypeAlias = Literal["record"]
"""What hits are grouped by."""

_WORD = re.compile(r"\w+")


@dataclass(frozen=True)
class Selection:
    """How hits are chosen.

    Attributes:
        duplicates: Keep equal and nearly equal hits.
        per_record: Maximum hits of a record; None for any number, or with ``group_by`` for 1.
        group_by: ``record`` puts the hits of a record together, and the limit is one of records.
        min_score: Least score of a hit, of the last ranking: after reranking the reranker's; None for any.

    Raises:
        InvalidInputError: ``per_record`` is below 1, or ``min_score`` is no finite number.
    """

    duplicates: bool = False
    per_record: int | None = None
    group_by: Grouping | None = None
    min_score: float | None = None

    def __post_init__(self) -> None:
        if self.per_record is not None and self.per_record < 1:
            raise InvalidInputError(f"{self.per_record} hits a record, expected 1 or more")
        if self.min_score is not None and not math.isfinite(self.min_score):
            raise InvalidInputError(f"a least score of {self.min_score}, expected a finite number")

    def choose(self, hits: Sequence[Hit], *, limit: int) -> list[Hit]:
        """Choose hits, in their order; with ``group_by`` those of a record follow its best one.

        Two hits are equal if their texts have the same words in the same order, and nearly equal if at least 95 % of
        the words of both together are in both, whatever their order. Case, marks and white space do not count. The
        best one stays, and says in ``duplicates`` where the others are.

        Args:
            hits: Best first.
            limit: Maximum number of hits, or of records with ``group_by``.

        Raises:
            InvalidInputError: the limit is below 1; or there is a least score, and the scores are distances.
        """
        if limit < 1:
            raise InvalidInputError(f"a limit of {limit}, expected 1 or more")
        enough = self._of_enough_score(hits)
        distinct = list(enough) if self.duplicates else _collapsed(enough)
        most = self.per_record or (1 if self.group_by else len(distinct))
        records: dict[str, list[Hit]] = {}
        kept = []
        for hit in distinct:
            of_record = records.setdefault(_record_of(hit), [])
            if len(of_record) < most:
                of_record.append(hit)
                kept.append(hit)
        if self.group_by is None:
            return kept[:limit]
        return [hit for some in list(records.values())[:limit] for hit in some]

    def _of_enough_score(self, hits: Sequence[Hit]) -> Sequence[Hit]:
        if self.min_score is None:
            return hits
        if hits and hits[0].score < hits[-1].score:  # best first: less is better
            raise InvalidInputError(
                "the scores of this collection are distances (euclid), of which the least is best: leave out the least "
                "score, or choose by each hit's score"
            )
        return [hit for hit in hits if hit.score >= self.min_score]

    def candidates(self, limit: int) -> int:
        """The number of hits to search for, to have ``limit`` after the choice."""
        is_plain = self.duplicates and self.per_record is None and self.group_by is None
        return limit if is_plain else max(CANDIDATES, min(4 * limit, 100), limit)


@dataclass
class _Kept:
    """A hit that stays, with its words."""

    hit: Hit
    words: Sequence[str]
    counts: Counter[str]
    same: list[Hit]


def _collapsed(hits: Sequence[Hit]) -> list[Hit]:
    kept: list[_Kept] = []
    for hit in hits:
        words = _WORD.findall(hit.text.casefold()) or [hit.text.strip()]
        counts = Counter(words)
        same = next((one for one in kept if one.words == words or _shared(one.counts, counts) >= LEAST_SHARED), None)
        if same is None:
            kept.append(_Kept(hit, words, counts, []))
        else:
            same.same.append(hit)
    return [replace(one.hit, duplicates=tuple(same.citation for same in one.same)) for one in kept]


def _shared(one: Counter[str], other: Counter[str]) -> float:
    """The part of the words of both that both have."""
    few, many = sorted((one.total(), other.total()))
    if few < LEAST_SHARED * many:
        return 0.0
    shared = (one & other).total()
    return shared / (few + many - shared)


def _record_of(hit: Hit) -> str:
    return record_key(hit.source_name, hit.source_id) if hit.source_id else hit.point_id

"""Report of what ``embed-plugin ingest`` leaves out: counts by suffix and reason, and names where asked for."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING

from embed_plugin.cli.printable import count_of, say
from embed_plugin.ingest.read.skipped import EMPTY, OTHER_SUFFIX, STORED_SINCE, SkippedItem

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.ingest import Change, IngestSummary, Observer, Rejected
    from embed_plugin.ingest.read.skipped import Skipped

_SHOWN_SUFFIXES = 10
_SHOWN_LETTERS = 3


class LeftOut:
    """Collects what a run leaves out.

    Attributes:
        first_reason: The reason of the first rejection; empty without one.

    Args:
        verbose: Print each name on stderr, with the reason.
        keeps_names: Keep all names for JSON.
    """

    def __init__(self, *, verbose: bool, keeps_names: bool) -> None:
        self.first_reason = ""
        self._verbose = verbose
        self._keeps_names = keeps_names
        self._items: list[SkippedItem] = []
        self._letters: list[str] = []

    def skip(self, item: SkippedItem) -> None:
        """Take one thing that is left out."""
        if self._verbose:
            say(f"skipped {item.name}: {item.reason}")
        if self._keeps_names:
            self._items.append(item)
        if item.reason == STORED_SINCE and len(self._letters) < _SHOWN_LETTERS:
            self._letters.append(item.name)

    def watching(self, observer: Observer) -> Observer:
        """Return an observer that collects empty records and rejections too."""

        def on_change(change: Change) -> None:
            if change.status == "empty":
                self.skip(SkippedItem(change.record.source_id, EMPTY))
            if observer.on_change:
                observer.on_change(change)

        def on_rejected(rejected: Sequence[Rejected]) -> None:
            self.first_reason = self.first_reason or rejected[0].reason
            for one in rejected if self._verbose else ():
                say(f"rejected {one.reason}")
            if observer.on_rejected:
                observer.on_rejected(rejected)

        return replace(observer, on_change=on_change, on_rejected=on_rejected)

    def facts(self, skipped: Skipped) -> dict[str, object]:
        """Return for JSON: the number of files, the counts by reason and suffix, and each name with its reason."""
        return {
            "skipped_files": sum(counts.total() for counts in _files(skipped).values()),
            "skipped_counts": {reason: dict(counts) for reason, counts in skipped.counts.items()},
            "skipped": [item._asdict() for item in self._items],
        }

    def warn(self, skipped: Skipped, summary: IngestSummary, paths: Sequence[str]) -> None:
        """Warn on stderr if nothing was read, and of dead letters that were dropped."""
        if STORED_SINCE in skipped.counts:
            count = skipped.counts[STORED_SINCE].total()
            names = ", ".join(self._letters) + (", ..." if count > len(self._letters) else "")
            say(f"{count_of(count, 'dead letter')} not tried again, as the record was stored since: {names}")
        if paths and not summary.records:
            suffixes = [suffix for suffix in skipped.counts.get(OTHER_SUFFIX, ()) if suffix][:_SHOWN_SUFFIXES]
            remedy = f". Reading {', '.join(suffixes)} is not supported: convert it to text first" if suffixes else ""
            found = (
                f"what is there was left out ({in_words(skipped)})" if skipped.total() else "there is no record in it"
            )
            say(f"nothing was read from {', '.join(map(str, paths))}: {found}{remedy}")


def in_words(skipped: Skipped) -> str:
    """Return the number of files by suffix where that is the reason, and by reason: ``9 .odt, 1 .png; hidden 2``."""
    files = _files(skipped)
    suffixes = files.pop(OTHER_SUFFIX, Counter())
    shown = suffixes.most_common(_SHOWN_SUFFIXES)
    parts = [f"{count:,} {suffix or 'without a suffix'}" for suffix, count in shown]
    if others := suffixes.total() - sum(count for _, count in shown):
        parts.append(f"{others:,} with other suffixes")
    by_reason = [f"{reason} {counts.total():,}" for reason, counts in files.items()]
    return "; ".join(filter(None, [", ".join(parts), *by_reason]))


def _files(skipped: Skipped) -> dict[str, Counter[str]]:
    """The counts of files, without those of dead letters."""
    return {reason: counts for reason, counts in skipped.counts.items() if reason != STORED_SINCE}

"""``embed-plugin evaluate --from``: make questions from a collection's records, and ask them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

import embed_plugin
from embed_plugin.cli.reports.known_items import Answers, Side, known_item_facts, print_known_items
from embed_plugin.cli.reports.output import write_json
from embed_plugin.cli.reports.progress import Amount, shown_progress
from embed_plugin.cli.stopping import stoppable
from embed_plugin.extras import import_part

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from contextlib import AbstractContextManager
    from pathlib import Path

    from embed_plugin import Encoder
    from embed_plugin.cli.options.first_stage import FusedRankings
    from embed_plugin.cli.options.own_records import OwnRecords
    from embed_plugin.evaluate.known_items import KnownItemResult, QuestionSet, StoredText
    from embed_plugin.ingest import CollectionSettings, QdrantSink, StoredChunk

    Show = Callable[[Amount], None]

_TITLE_KEYS = ("title", "heading", "headline", "subject")


@dataclass(frozen=True)
class OwnRun:
    """A run over the records of a collection.

    Attributes:
        options: Collections, kinds of search, number of questions.
        rankings: What a hybrid search fuses, and the weights.
        quiet: Show no progress.
    """

    options: OwnRecords
    rankings: FusedRankings
    quiet: bool

    def opened(self) -> AbstractContextManager[QdrantSink]:
        """Open the collection, with the models of its vectors where a search of it needs them.

        Raises:
            ModelFolderError: a folder cannot be used.
            TargetError: it cannot be opened.
        """
        own = self.options
        is_hybrid = own.hybrid or (own.baseline_hybrid and own.baseline_from is None)
        return own.opened(settings=self.settings(is_hybrid=is_hybrid))

    def settings(self, *, is_hybrid: bool) -> CollectionSettings | None:
        """Load the models of a collection that is searched by them; None for a dense search.

        Raises:
            ModelFolderError: a folder cannot be used.
        """
        return self.rankings.settings() if is_hybrid else None


def evaluate_own_records(
    folder: Path, run: OwnRun, *, baseline: Path | None, max_drop: float | None, json_target: str | None
) -> None:
    """Make questions from a collection's records, ask them, and print or write what was found.

    Raises:
        QualityFloorError: MRR@10 is lower by more than ``max_drop`` per cent of the baseline's.
    """
    encoders = [embed_plugin.Encoder.load(path) for path in (baseline, folder) if path is not None]
    answers = ask_own_records(run, encoders)
    from embed_plugin.evaluate import require_max_drop  # noqa: PLC0415 - loads numpy
    from embed_plugin.evaluate.known_items import compare_known_items  # noqa: PLC0415 - the same

    differences = compare_known_items(*answers.results) if run.options.is_compared else ()
    if json_target != "-":
        print_known_items(answers, differences)
    if json_target:
        write_json(known_item_facts(answers, differences), json_target)
    if max_drop is not None:
        require_max_drop(differences[0], max_drop)


def ask_own_records(run: OwnRun, encoders: Sequence[Encoder]) -> Answers:
    """Make questions from the records of a collection, and ask them on one side or two.

    Args:
        run: The collections, and what is asked of them.
        encoders: The models, the baseline's first; one for both sides if there is only one.

    Raises:
        OutputError: the folder for the questions is there already.
        RecordError: the collection has too few records that questions can be made from.
        SpaceMismatchError: a collection has vectors of another model.
        TargetError: a collection is not there, has no words for a hybrid search, or cannot be reached.
    """
    import_part("embed_plugin.ingest", extra="ingest")
    from embed_plugin.evaluate.known_items import require_new_folder, save_questions  # noqa: PLC0415 - loads numpy

    options = run.options
    if options.save_questions:
        require_new_folder(options.save_questions)
    with stoppable("Stopping"), run.opened() as sink, shown_progress("evaluate", quiet=run.quiet) as show:
        sides = _sides(run, encoders, sink)
        for side in sides:
            _require_searchable(side)
        asked = _questions(sides, options, show)
        if options.save_questions:
            save_questions(options.save_questions, asked.questions, _texts(sink, "questions are saved", show))
        results = [_ask(side, asked, show) for side in sides]
    return Answers(asked, sides, results)


def _sides(run: OwnRun, encoders: Sequence[Encoder], sink: QdrantSink) -> list[Side]:
    """The ways to search, the baseline's first."""
    options, weights = run.options, run.rankings.numbers()
    model = Side(encoders[-1], sink, options.hybrid, weights)
    if not options.is_compared:
        return [model]
    other = sink
    if options.baseline_from is not None:
        other = sink.beside(options.baseline_from, settings=run.settings(is_hybrid=options.baseline_hybrid))
    return [Side(encoders[0], other, options.baseline_hybrid, weights), model]


def _require_searchable(side: Side) -> None:
    """Search once, so that what cannot be searched fails before the collection is read."""
    from embed_plugin.ingest import search  # noqa: PLC0415 - needs the extra

    search("question", side.encoder, side.sink, limit=1, hybrid=side.fusion)


def _questions(sides: Sequence[Side], options: OwnRecords, show: Show) -> QuestionSet:
    from embed_plugin.evaluate.known_items import make_questions  # noqa: PLC0415 - loads numpy
    from embed_plugin.ingest.record_ranks import held_records, record_chunks  # noqa: PLC0415 - needs the extra

    sink, other = sides[-1].sink, sides[0].sink
    steps = iter(("records are drawn", "words are counted"))
    return make_questions(
        lambda: _texts(sink, next(steps), show),
        count=options.count,
        seed=options.seed_number,
        read_parts=lambda wanted: map(_stored_text, record_chunks(sink, wanted)),
        held=None if other is sink else lambda records: held_records(other, records),
    )


def _ask(side: Side, asked: QuestionSet, show: Show) -> KnownItemResult:
    from embed_plugin.evaluate.known_items import KnownItemResult  # noqa: PLC0415 - loads numpy
    from embed_plugin.ingest.record_ranks import find_ranks  # noqa: PLC0415 - needs the extra

    questions, ranks = asked.questions, list[int]()
    pairs = [(question.text, question.record) for question in questions]
    for rank in find_ranks(pairs, side.encoder, side.sink, hybrid=side.fusion):
        ranks.append(rank)
        show(Amount(len(ranks), len(questions), "question", side.name))
    return KnownItemResult(questions, ranks)


def _texts(sink: QdrantSink, step: str, show: Show) -> Iterator[StoredText]:
    """Every text of a collection."""
    done, total = 0, sink.count(exact=False)
    for page in sink.scan():
        yield from map(_stored_text, page)
        done += len(page)
        show(Amount(done, max(total, done), "point", step))


def _stored_text(chunk: StoredChunk) -> StoredText:
    from embed_plugin.evaluate.known_items import StoredText  # noqa: PLC0415 - loads numpy
    from embed_plugin.ingest.record_ranks import record_of  # noqa: PLC0415 - needs the extra

    titles = (chunk.metadata.get(key) for key in _TITLE_KEYS)
    title = next((title for title in titles if isinstance(title, str) and title.strip()), "")
    if title == PurePosixPath(chunk.file).name:  # ingest's own, for citations
        title = ""
    if chunk.is_foreign:
        return StoredText(chunk.id, record_of(chunk), 0, chunk.text, title)
    return StoredText(chunk.id, record_of(chunk), chunk.index, chunk.text, title, max(1, chunk.stored.chunk_count))

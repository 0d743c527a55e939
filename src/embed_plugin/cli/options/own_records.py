"""The options of ``evaluate`` for questions made from the records of a collection."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from embed_plugin.cli.options.collection import ApiKey, CaFile
from embed_plugin.cli.options.groups import OptionGroup

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from embed_plugin.ingest import CollectionSettings, QdrantSink

_QUESTIONS, _SEED = 200, 7


@dataclass(frozen=True, kw_only=True)
class OwnRecords(OptionGroup, panel="Questions from your own records"):
    """A collection that questions are made from and asked of, and another way to search it."""

    collection: Annotated[
        str | None, typer.Option("--from", help="Collection to make questions from, instead of --dataset.")
    ] = None
    to: Annotated[
        str | None, typer.Option(help="Where it is: folder of embedded Qdrant, edge:FOLDER, or URL of a server.")
    ] = None
    api_key: ApiKey = field(default=None, repr=False)
    ca_file: CaFile = None
    hybrid: Annotated[
        bool,
        typer.Option("--hybrid", help="Fuse the ranking with those by words, --sparse and --late, as search does."),
    ] = False
    baseline_from: Annotated[
        str | None, typer.Option(help="Compare with this collection: other chunks, or --baseline's vectors.")
    ] = None
    baseline_hybrid: Annotated[
        bool,
        typer.Option(
            "--baseline-hybrid", help="Compare with a hybrid search (of the same collection, or of --baseline)."
        ),
    ] = False
    questions: Annotated[
        int | None,
        typer.Option(help="Number of questions.", min=10, max=10_000, show_default=str(_QUESTIONS)),
    ] = None
    seed: Annotated[int | None, typer.Option(help="Seed of the questions.", show_default=str(_SEED))] = None
    save_questions: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Write questions and texts as a BEIR folder, for --dataset and --gate."),
    ] = None

    @property
    def is_compared(self) -> bool:
        """True if another way to search is compared with."""
        return self.baseline_from is not None or self.baseline_hybrid

    @property
    def count(self) -> int:
        """The number of questions."""
        return _QUESTIONS if self.questions is None else self.questions

    @property
    def seed_number(self) -> int:
        """The seed."""
        return _SEED if self.seed is None else self.seed

    def check(self, *, dataset: Path | None, baseline: Path | None) -> None:
        """Check that the options go together.

        Raises:
            typer.BadParameter: they do not.
        """
        if (dataset is None) == (self.collection is None):
            message = "give either --dataset (judged data) or --from (a collection, to make questions from its records)"
            raise typer.BadParameter(message)
        if dataset is not None:
            given = [name for name in ("to", "baseline_from", "questions", "seed", "save_questions") if self._has(name)]
            if given:
                named = ", ".join("--" + name.replace("_", "-") for name in given)
                raise typer.BadParameter(f"{named}: only for questions from a collection (--from)")
            if self.baseline_hybrid and baseline is None:
                raise typer.BadParameter("--baseline-hybrid on a --dataset: give the model to compare with, --baseline")
            return
        if self.to is None:
            raise typer.BadParameter("--from names a collection: say with --to where it is")
        if baseline is not None and self.baseline_from is None:
            message = "--baseline with --from needs --baseline-from: the collection that has that model's vectors"
            raise typer.BadParameter(message)
        other = self.baseline_from or self.collection
        if self.is_compared and other == self.collection and self.hybrid == self.baseline_hybrid:
            raise typer.BadParameter("both sides are the same: name another --baseline-from, or make one side --hybrid")

    def refuse_baseline_hybrid(self) -> None:
        """Refuse a baseline that is fused by itself, where both models rank the same candidates.

        Raises:
            typer.BadParameter: one is asked for.
        """
        if self.baseline_hybrid:
            message = "--baseline-hybrid: both models rank what one first stage found; --hybrid fuses that"
            raise typer.BadParameter(message)

    def opened(self, *, settings: CollectionSettings | None = None) -> AbstractContextManager[QdrantSink]:
        """Open the collection; needs the extra ``ingest``.

        Args:
            settings: The models of its other vectors than the dense one; None for a dense search.

        Raises:
            TargetError: it cannot be opened.
        """
        from embed_plugin.ingest import open_sink  # noqa: PLC0415 - needs the extra

        target, collection = self.to or "", self.collection or ""
        key, file = self.api_key, self.ca_file
        return open_sink(target, collection, api_key=key, ca_file=file, create=False, settings=settings)

    def _has(self, name: str) -> bool:
        return getattr(self, name) is not None

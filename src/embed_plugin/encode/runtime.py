"""The running model: tokenizer, session and batch queue, and the steps of encoding as separate calls.

:class:`~embed_plugin.encode.Encoder` is the interface for users. Serve and ingest use its :attr:`Encoder.runtime`, the
:class:`Runtime`: they tokenise first, to know the token counts, and submit later, and they watch the queue.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from embed_plugin.cpu.count import available_workers
from embed_plugin.encode.outputs import SeveralResults, most_texts_of, result_of
from embed_plugin.encode.queue import BatchQueue
from embed_plugin.encode.wide import WideRuns, most_threads
from embed_plugin.process_local import ProcessLocal
from embed_plugin.texts import list_of_texts

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from concurrent.futures import Future

    from embed_plugin.encode.opened_folder import OpenedFolder
    from embed_plugin.encode.outputs import Result
    from embed_plugin.encode.queue import BatchReport, QueuedTokens, Run
    from embed_plugin.encode.session import OnnxSession
    from embed_plugin.encode.settings import EncoderSettings
    from embed_plugin.encode.turns import Turns
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.types import Fields, Kind, Results, Role, TokenisedTexts


class Runtime:
    """A loaded model, callable from any number of threads; after a fork the child opens a session of its own.

    Attributes:
        spec: The model's facts.
        settings: How to run it.
        tokenizer: Turns texts into token ids.
        kinds: Kinds of the results.
        output: Makes and fills the arrays that callers get.
    """

    def __init__(
        self,
        opened: OpenedFolder,
        spec: ModelSpec,
        settings: EncoderSettings,
        kinds: tuple[Kind, ...] = ("embedding",),
    ) -> None:
        """Open the session.

        Args:
            opened: The verified folder.
            spec: Its facts, with the prefixes to use.
            settings: How to run it.
            kinds: Kinds of the results, of those that the model gives; several come out of one run.

        Raises:
            ModelFolderError: the tokenizer cannot be read, or onnxruntime cannot load the graph.
        """
        self._opened = opened
        self.spec = spec
        self.settings = settings
        self.tokenizer = opened.tokenizer
        self.kinds = kinds
        parts = {kind: result_of(kind, spec.dimension, spec.facts) for kind in kinds}
        self.output: Result = parts[kinds[0]] if len(kinds) == 1 else SeveralResults(parts)
        self._cut_texts = self._unknown_tokens = 0
        self._observer: Callable[[BatchReport], None] | None = None
        self._by_process = ProcessLocal[ProcessParts]()
        _ = self._process

    @property
    def _process(self) -> ProcessParts:
        return self._by_process.get(self._start)

    def _start(self) -> ProcessParts:
        session = self._opened.open_session(*self.kinds)
        queue = BatchQueue(
            self._run_of(session),
            output=self.output,
            workers=self.workers,
            token_budget=self.settings.token_budget,
            wide=self._wide_runs(session),
            most_texts=most_texts_of(self.output),
        )
        queue.observer = self._observer
        return ProcessParts(session, queue)

    def _wide_runs(self, session: OnnxSession) -> WideRuns | None:
        """Prepare runs on several cores; None where there is one core, or the model gains nothing from more."""
        cores = min(self.workers, available_workers())
        threads = most_threads(cores)
        if threads == 1 or not self._opened.can_be_wide(session):
            return None
        return WideRuns(
            self._run_of(session),
            lambda: self._run_of(self._opened.open_wide(session, *self.kinds, threads=threads)),
            most_at_once=cores - threads + 1,
            opening_seconds=self._opened.opening_seconds,
        )

    def _run_of(self, session: OnnxSession) -> Run:
        """The run of a session whose rows are those of :attr:`output`."""
        return session.run if len(self.kinds) == 1 else session.run_all

    @property
    def session(self) -> OnnxSession:
        """The session of the calling process."""
        return self._process.session

    @property
    def queue(self) -> BatchQueue:
        """The batch queue of the calling process: another object after a fork."""
        return self._process.queue

    @property
    def workers(self) -> int:
        """Batches encoded at the same time."""
        return self.settings.workers or available_workers()

    @property
    def queued_tokens(self) -> QueuedTokens:
        """Tokens of the texts that wait for a worker, of all callers."""
        return self.queue.queued_tokens

    @property
    def cut_texts(self) -> int:
        """Texts cut at the token limit since the model was loaded."""
        return self._cut_texts

    @property
    def unknown_tokens(self) -> int:
        """Tokens of the encoded texts that the tokenizer did not know, since the model was loaded."""
        return self._unknown_tokens

    def observe(self, observer: Callable[[BatchReport], None]) -> None:
        """Call ``observer`` after every batch, from the thread that ran it."""
        self._observer = self.queue.observer = observer

    def share_cores(self, turns: Turns) -> None:
        """Let the workers of this process take turns with those of other models, from its next batch on."""
        self.queue.turns = turns

    def tokenise(
        self,
        texts: Sequence[str],
        *,
        role: Role = "document",
        instruction: str | None = None,
        fields: Fields | None = None,
    ) -> TokenisedTexts:
        """Put the role's prefix before each text, tokenise, and count unknown tokens.

        Texts beyond the limit are cut and named in the result, whatever ``on_long`` says.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or has no tokens.
            InvalidInputError: there is an instruction, and the model takes none; or ``fields``, which are those of
                documents, are no values of what the document prefix names.
        """
        listed = list_of_texts(texts)
        prefix: str | list[str] = self.spec.prefix(role, instruction)
        if fields is not None:
            prefix = self.spec.document_prefixes(fields, len(listed))
        tokenised = self.tokenizer.tokenise(listed, prefix=prefix, first_index=0)
        return replace(tokenised, unknown=self.tokenizer.count_unknown(tokenised.ids))

    def submit(
        self, tokenised: TokenisedTexts, *, is_part: bool = False, into: Results | None = None
    ) -> Future[Results]:
        """Queue tokenised texts; the future gives one result a text. Cancelling it drops what has not begun.

        Args:
            tokenised: The result of :meth:`tokenise`, or a part of it.
            is_part: They are a part of a large call, and do not go before others however few they are.
            into: An array of the caller's, as ``output`` allocates them, which is filled and is the future's result.
        """
        return self._counted(tokenised).submit(tokenised.ids, is_part=is_part, into=into, output=self.output)

    def submit_for(self, output: Result, tokenised: TokenisedTexts) -> Future[Results]:
        """:meth:`submit` for a caller who makes other results of the graph's rows than this runtime's output does."""
        return self._counted(tokenised).submit(tokenised.ids, output=output)

    def encode_one(self, tokenised: TokenisedTexts) -> Results:
        """Encode one tokenised text, to an array of one result, on the calling thread where the queue allows it."""
        return self._counted(tokenised).encode_one(tokenised.ids[0], output=self.output)

    def _counted(self, tokenised: TokenisedTexts) -> BatchQueue:
        """Count the cut texts and unknown tokens, and return the queue."""
        process = self._process
        unknown = sum(tokenised.unknown or self.tokenizer.count_unknown(tokenised.ids))
        with process.lock:
            self._cut_texts += len(tokenised.cut)
            self._unknown_tokens += unknown
        return process.queue


@dataclass(frozen=True)
class ProcessParts:
    """Parts that a forked child cannot inherit: the session, the queue's threads, and a lock that may be held."""

    session: OnnxSession
    queue: BatchQueue
    lock: threading.Lock = field(default_factory=threading.Lock)

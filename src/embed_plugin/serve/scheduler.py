"""Schedules a request's texts: check -> admit -> tokenise off the event loop -> the model's batch queue."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.encode.queue import SMALL_JOB_TOKENS, QueuedTokens
from embed_plugin.encode.tokenizer import TEXTS_PER_CALL
from embed_plugin.errors import InvalidTextError
from embed_plugin.model.matryoshka import LAYER_NORM
from embed_plugin.numbers import cut
from embed_plugin.serve.admission import Admission
from embed_plugin.serve.models.work import Work
from embed_plugin.serve.request_errors import RequestError
from embed_plugin.serve.throughput import LANES, Throughput
from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from concurrent.futures import Future
    from typing import TypeVar

    from embed_plugin.encode import Encoder, SparseEncoder
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.serve.models.served import Served, ServedModels
    from embed_plugin.serve.request_record import RequestRecord
    from embed_plugin.serve.settings import ServeSettings
    from embed_plugin.serve.throughput import Lane
    from embed_plugin.types import Results, Role

    Result = TypeVar("Result")

WINDOW_TEXTS = 256
"""Texts of a streamed response that are sent together."""

CHARACTERS_PER_TOKEN = 4
"""For the estimate that counts until a text is tokenised. English has 4 to 5."""


@dataclass(frozen=True)
class RequestJob:
    """The admitted texts of one request, while they are encoded.

    Attributes:
        windows: The results of consecutive texts, in order.
        empty: The results of no text.
        tokens: Number of tokens of all texts, cut at the limit.
        truncated: Indices of the texts that were cut.
        cut: Shortens vectors, where the request asks for shorter ones than the model's.
    """

    windows: Sequence[Future[Results]]
    empty: Results
    tokens: int
    truncated: Sequence[int]
    cut: Callable[[Results], Results] | None = None

    def shortened(self, spec: ModelSpec) -> RequestJob:
        """Return the same job with the vectors of these facts."""
        if spec.dimension == self.empty.shape[1]:
            return self
        shorten = partial(cut, dimension=spec.dimension, layer_norm=bool(spec.facts[LAYER_NORM]))
        return replace(self, empty=self.empty[:, : spec.dimension], cut=shorten)

    async def results(self) -> Results:
        """Return the results of all texts: vectors ``(n, dimension)``, scores ``(n,)``, or n objects."""
        blocks = [window async for window in self.stream()]
        return blocks[0] if len(blocks) == 1 else np.concatenate([self.empty, *blocks])

    async def stream(self) -> AsyncIterator[Results]:
        """Yield the results window by window, in the order of the texts.

        Raises:
            RequestError: the model cannot encode a text.
        """
        first = 0
        for window in self.windows:
            try:
                results = await asyncio.wrap_future(window)
            except InvalidTextError as error:
                index = first + error.index
                raise RequestError("invalid_text", f"text {index}: {error.problem}", index=index) from error
            yield results if self.cut is None else self.cut(results)
            first += len(results)

    def cancel(self) -> None:
        """Drop the windows that have not begun."""
        for window in self.windows:
            window.cancel()


class Scheduler:
    """The only path from requests to the models. All have one admission: their texts wait for the same workers."""

    def __init__(self, models: ServedModels, settings: ServeSettings) -> None:
        self.models = models
        self.workers = max(each.loaded.runtime.workers for each in models)
        self.throughput = Throughput(self.workers)
        self.admission = Admission(self._queued_tokens, self.throughput, limit=settings.queue_tokens)
        self._settings = settings
        # A thread for each lane, so that a query does not wait while two thousand documents are tokenised.
        self._threads = {lane: ThreadPoolExecutor(1, thread_name_prefix=f"tokenise-{lane}") for lane in LANES}

    def close(self) -> None:
        """End the tokenising threads."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def submit(self, work: Work, record: RequestRecord) -> RequestJob:
        """Admit, tokenise and queue texts. Those that are not encoded when the request ends are dropped.

        Args:
            work: The texts of one request.
            record: The request.

        Raises:
            RequestError: a text is invalid or too long, or the lane is full.
        """
        truncate = self._settings.on_long == "truncate" if work.truncate is None else work.truncate
        estimate = self._check(work, truncate=truncate)
        with self.admission.reserve(_lane_of(estimate), estimate):
            tokenised = await self._tokenise(work, _lane_of(estimate))
        if not truncate:
            _refuse_cut(tokenised, work)
        tokens = sum(map(len, tokenised.ids))
        _refuse_many(tokens, work)
        record.model, record.lane = work.model.name, _lane_of(tokens)
        record.texts, record.tokens, record.truncated = len(work.texts), tokens, len(tokenised.cut)
        empty = (work.output or work.model.loaded.runtime.output).allocate(0)
        if work.look_up is None:
            windows = _queue(tokenised, work)
        else:
            windows = [self._threads[record.lane].submit(work.look_up, tokenised.ids)]
        job = RequestJob(windows, empty, tokens, tokenised.cut)
        record.cleanup.callback(job.cancel)
        return job

    async def count_tokens(
        self, model: Served[Encoder] | Served[SparseEncoder], texts: Sequence[str], *, role: Role
    ) -> list[int]:
        """Count the tokens of each text, not cut at the limit.

        Raises:
            RequestError: a text is invalid or too long, or the lane is full.
        """
        tokenise = partial(model.loaded.runtime.tokenise, role=role)
        estimate = self._check(Work(model, texts, tokenise), truncate=False)
        with self.admission.reserve(_lane_of(estimate), estimate):
            count = partial(model.loaded.count_tokens, role=role)
            slices = await self._in_slices(count, texts, _lane_of(estimate))
        return [int(tokens) for counts in slices for tokens in counts]

    def _queued_tokens(self) -> QueuedTokens:
        """Count the tokens that wait for a worker, of all models."""
        queued = [each.loaded.runtime.queued_tokens for each in self.models]
        return QueuedTokens(sum(each.small for each in queued), sum(each.large for each in queued))

    def _check(self, work: Work, *, truncate: bool) -> int:
        """Refuse texts above the limits, and estimate the tokens.

        A text that may be cut is not refused for its characters: only a head of it is tokenised.
        """
        limits = self._settings
        for index, text in enumerate(work.texts):
            if len(text) + work.beside > limits.text_characters and not truncate:
                found = f"{len(text)} characters" + (f" beside a query of {work.beside}" if work.beside else "")
                message = f"text {index} has {found}, at most {limits.text_characters}: split it"
                raise RequestError("text_too_long", message, index=index)
        most = work.max_tokens
        return sum(min((len(text) + work.beside) // CHARACTERS_PER_TOKEN + 2, most) for text in work.texts)

    async def _tokenise(self, work: Work, lane: Lane) -> TokenisedTexts:
        unknown: list[int] = []
        whole = TokenisedTexts([], [], unknown)
        for part in await self._in_slices(work.tokenise, work.texts, lane):
            whole.cut.extend(len(whole.ids) + index for index in part.cut)
            whole.ids.extend(part.ids)
            unknown.extend(part.unknown)
        return whole

    async def _in_slices(
        self, step: Callable[[Sequence[str]], Result], texts: Sequence[str], lane: Lane
    ) -> list[Result]:
        """Run a step on slices of the texts: other requests run in between, and a cancelled request stops there."""
        loop = asyncio.get_running_loop()
        results = []
        for first in range(0, len(texts), TEXTS_PER_CALL):
            part = texts[first : first + TEXTS_PER_CALL]
            try:
                results.append(await loop.run_in_executor(self._threads[lane], step, part))
            except InvalidTextError as error:
                index = first + error.index
                raise RequestError("invalid_text", f"text {index}: {error.problem}", index=index) from error
        return results


def _refuse_cut(tokenised: TokenisedTexts, work: Work) -> None:
    if tokenised.cut:
        index, most = tokenised.cut[0], work.max_tokens
        beside = ", beside the query," if work.beside else ""
        message = f"text {index} has more than the {most} tokens that this model takes{beside}: split it"
        raise RequestError("text_too_long", f"{message}, or ask for truncate", index=index)


def _refuse_many(tokens: int, work: Work) -> None:
    """Refuse texts whose answer would be too large."""
    if work.most_tokens is None or tokens <= work.most_tokens:
        return
    found = f"{len(work.texts)} texts with {tokens} tokens, each of which has a vector"
    remedy = "send them in several requests" if len(work.texts) > 1 else "split it"
    raise RequestError("too_many_texts", f"{found}; an answer has at most {work.most_tokens}: {remedy}")


def _queue(tokenised: TokenisedTexts, work: Work) -> list[Future[Results]]:
    runtime = work.model.loaded.runtime
    if work.output is not None:
        return [runtime.submit_for(work.output, tokenised)]
    size = WINDOW_TEXTS if work.in_windows else max(1, len(tokenised.ids))
    is_part = len(tokenised.ids) > size
    windows = [slice(first, first + size) for first in range(0, len(tokenised.ids), size)]
    cut_in = [tokenised.cut, *([[]] * len(windows))]  # counted once, with the first window
    return [
        runtime.submit(TokenisedTexts(tokenised.ids[window], cut_here, tokenised.unknown[window]), is_part=is_part)
        for window, cut_here in zip(windows, cut_in, strict=False)
    ]


def _lane_of(tokens: int) -> Lane:
    return "interactive" if tokens <= SMALL_JOB_TOKENS else "bulk"

"""Schedules a request's texts: check -> admit -> tokenise off the event loop -> the encoder's batch queue."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from embed_plugin.encode.queue import SMALL_JOB_TOKENS
from embed_plugin.encode.tokenizer import TEXTS_PER_CALL
from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.model.matryoshka import LAYER_NORM
from embed_plugin.numbers import cut
from embed_plugin.serve.admission import Admission
from embed_plugin.serve.request_errors import RequestError
from embed_plugin.serve.throughput import LANES, Throughput
from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from concurrent.futures import Future
    from typing import TypeVar

    from embed_plugin.encode import Encoder
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.serve.request_record import RequestRecord
    from embed_plugin.serve.settings import ServeSettings
    from embed_plugin.serve.throughput import Lane
    from embed_plugin.types import Role, Vectors

    Result = TypeVar("Result")

WINDOW_TEXTS = 256
"""Texts of a streamed response that are sent together."""

CHARACTERS_PER_TOKEN = 4
"""For the estimate that counts until a text is tokenised. English has 4 to 5."""


@dataclass(frozen=True)
class RequestJob:
    """The admitted texts of one request, while they are encoded.

    Attributes:
        windows: The vectors of consecutive texts, in order.
        dimension: Length of a vector.
        tokens: Number of tokens of all texts, cut at the limit.
        truncated: Indices of the texts that were cut.
        cut: Shortens vectors, where the request asks for shorter ones than the model's.
    """

    windows: Sequence[Future[Vectors]]
    dimension: int
    tokens: int
    truncated: Sequence[int]
    cut: Callable[[Vectors], Vectors] | None = None

    def shortened(self, spec: ModelSpec) -> RequestJob:
        """Return the same job with the vectors of these facts."""
        if spec.dimension == self.dimension:
            return self
        shorten = partial(cut, dimension=spec.dimension, layer_norm=bool(spec.facts[LAYER_NORM]))
        return replace(self, dimension=spec.dimension, cut=shorten)

    async def vectors(self) -> Vectors:
        """Return all vectors, ``(n, dimension)``."""
        blocks = [window async for window in self.stream()]
        return blocks[0] if len(blocks) == 1 else np.concatenate(blocks or [np.empty((0, self.dimension), np.float32)])

    async def stream(self) -> AsyncIterator[Vectors]:
        """Yield the vectors window by window, in the order of the texts.

        Raises:
            RequestError: the model cannot encode a text.
        """
        first = 0
        for window in self.windows:
            try:
                vectors = await asyncio.wrap_future(window)
            except InvalidTextError as error:
                index = first + error.index
                raise RequestError("invalid_text", f"text {index}: {error.problem}", index=index) from error
            yield vectors if self.cut is None else self.cut(vectors)
            first += len(vectors)

    def cancel(self) -> None:
        """Drop the windows that have not begun."""
        for window in self.windows:
            window.cancel()


class Scheduler:
    """The only path from requests to the encoder."""

    def __init__(self, encoder: Encoder, settings: ServeSettings) -> None:
        self.encoder = encoder
        self.throughput = Throughput(encoder.runtime.workers)
        self.admission = Admission(lambda: encoder.runtime.queued_tokens, self.throughput, limit=settings.queue_tokens)
        self._settings = settings
        # A thread for each lane, so that a query does not wait while two thousand documents are tokenised.
        self._threads = {lane: ThreadPoolExecutor(1, thread_name_prefix=f"tokenise-{lane}") for lane in LANES}

    def close(self) -> None:
        """End the tokenising threads."""
        for threads in self._threads.values():
            threads.shutdown(wait=False, cancel_futures=True)

    async def submit(
        self,
        texts: Sequence[str],
        record: RequestRecord,
        *,
        role: Role,
        truncate: bool | None,
        instruction: str | None = None,
        in_windows: bool = False,
    ) -> RequestJob:
        """Admit, tokenise and queue texts. Those that are not encoded when the request ends are dropped.

        Args:
            texts: The texts of one request.
            record: The request.
            role: Encode them as documents or as queries.
            instruction: What queries are for, in place of what the query prefix says.
            truncate: Cut a text above the token limit, or refuse it; None: as the service is set.
            in_windows: Queue them in windows that are sent one after the other.

        Raises:
            RequestError: a text is invalid or too long, the model takes no instruction, or the lane is full.
        """
        step = partial(self.encoder.runtime.tokenise, role=role, instruction=self._checked(role, instruction))
        truncate = self._settings.on_long == "truncate" if truncate is None else truncate
        estimate = self._check(texts, truncate=truncate)
        with self.admission.reserve(_lane_of(estimate), estimate):
            tokenised = await self._tokenise(texts, step, _lane_of(estimate))
        self._refuse_cut(tokenised, truncate=truncate)
        tokens = sum(map(len, tokenised.ids))
        record.lane, record.texts, record.tokens, record.truncated = (
            _lane_of(tokens),
            len(texts),
            tokens,
            len(tokenised.cut),
        )
        job = RequestJob(self._queue(tokenised, in_windows=in_windows), self.encoder.dimension, tokens, tokenised.cut)
        record.cleanup.callback(job.cancel)
        return job

    async def count_tokens(self, texts: Sequence[str], *, role: Role) -> list[int]:
        """Count the tokens of each text, not cut at the limit.

        Raises:
            RequestError: a text is invalid or too long, or the lane is full.
        """
        estimate = self._check(texts, truncate=False)
        with self.admission.reserve(_lane_of(estimate), estimate):
            count = partial(self.encoder.count_tokens, role=role)
            slices = await self._in_slices(count, texts, _lane_of(estimate))
        return [int(tokens) for counts in slices for tokens in counts]

    def _check(self, texts: Sequence[str], *, truncate: bool) -> int:
        """Refuse texts above the limits, and estimate the tokens.

        A text that may be cut is not refused for its characters: only a head of it is tokenised.
        """
        limits = self._settings
        for index, text in enumerate(texts):
            if len(text) > limits.text_characters and not truncate:
                message = f"text {index} has {len(text)} characters, at most {limits.text_characters}: split it"
                raise RequestError("text_too_long", message, index=index)
        most = self.encoder.max_tokens
        return sum(min(len(text) // CHARACTERS_PER_TOKEN + 2, most) for text in texts)

    def _checked(self, role: Role, instruction: str | None) -> str | None:
        """Return an instruction that the model takes."""
        try:
            self.encoder.spec.prefix(role, instruction)
        except InvalidInputError as error:
            raise RequestError("invalid_request", f"instruction: {error}") from error
        return instruction

    async def _tokenise(
        self, texts: Sequence[str], step: Callable[[Sequence[str]], TokenisedTexts], lane: Lane
    ) -> TokenisedTexts:
        whole = TokenisedTexts([], [])
        for part in await self._in_slices(step, texts, lane):
            whole.cut.extend(len(whole.ids) + index for index in part.cut)
            whole.ids.extend(part.ids)
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

    def _refuse_cut(self, tokenised: TokenisedTexts, *, truncate: bool) -> None:
        if tokenised.cut and not truncate:
            index = tokenised.cut[0]
            message = f"text {index} has more than the {self.encoder.max_tokens} tokens that this model takes"
            raise RequestError("text_too_long", f"{message}: split it, or ask for truncate", index=index)

    def _queue(self, tokenised: TokenisedTexts, *, in_windows: bool) -> list[Future[Vectors]]:
        size = WINDOW_TEXTS if in_windows else max(1, len(tokenised.ids))
        is_part = len(tokenised.ids) > size
        windows = [tokenised.ids[first : first + size] for first in range(0, len(tokenised.ids), size)]
        cut = [tokenised.cut, *([[]] * len(windows))]  # counted once, with the first window
        return [
            self.encoder.runtime.submit(TokenisedTexts(ids, cut_here), is_part=is_part)
            for ids, cut_here in zip(windows, cut, strict=False)
        ]


def _lane_of(tokens: int) -> Lane:
    return "interactive" if tokens <= SMALL_JOB_TOKENS else "bulk"

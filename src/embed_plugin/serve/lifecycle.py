"""The phases of a service (starting, ready, leaving, draining): warm-up, the way out, and the probe of its health."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.serve.models.work import run_texts
from embed_plugin.serve.request_errors import RequestError

if TYPE_CHECKING:
    from embed_plugin.serve.scheduler import Scheduler

Phase: TypeAlias = Literal["starting", "ready", "leaving", "draining"]
"""Leaving, a service still serves those who have not seen yet that it is not ready."""

WARM_UP_WORDS = (1, 8, 40, 120, 250)
"""Lengths of the warm-up texts, in words of about a token; cut at the model's limit."""

PROBE_SECONDS = 5.0
"""Time limit of a probe's forward pass."""

PROBE_EVERY_SECONDS = 1.0
"""Least interval of forward passes. Probes within it share one: they need no key, and must not occupy the cores."""


class Lifecycle:
    """The phase of a service, and the steps from one to the next."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.phase: Phase = "starting"
        self._scheduler = scheduler
        self._probe: asyncio.Task[None] | None = None
        self._probed = float("-inf")

    async def warm_up(self) -> None:
        """Run every model on texts of several lengths on every worker, which measures the throughput; become ready."""
        texts = ["word " * words for words in WARM_UP_WORDS for _ in range(4 * self._scheduler.workers)]
        for model in self._scheduler.models:
            await run_texts(model.loaded, texts)
        self._scheduler.throughput.reset()
        for model in self._scheduler.models:
            await run_texts(model.loaded, texts)
        if self.phase == "starting":
            self.phase = "ready"

    def leave(self) -> None:
        """Be not ready, and serve on."""
        self.phase = "leaving"

    def drain(self) -> None:
        """Refuse new requests; the admitted ones are answered."""
        self.phase = "draining"

    def check(self) -> None:
        """Admit a request.

        Raises:
            RequestError: the service is not ready, or is draining.
        """
        if self.phase == "draining":
            raise self._shutting_down()
        if self.phase == "starting":
            raise RequestError("not_ready", "the models are being warmed up", retry_after=1)

    async def probe(self) -> None:
        """Run a real forward pass of every model, at most one a second.

        Raises:
            RequestError: the service is not ready, is draining, or a model returns no result in time.
        """
        self.check()
        if self.is_ending:
            raise self._shutting_down()
        if self._probe is None or (self._probe.done() and time.monotonic() > self._probed + PROBE_EVERY_SECONDS):
            self._probed = time.monotonic()
            self._probe = asyncio.create_task(self._forward())
        await asyncio.shield(self._probe)

    @property
    def is_ending(self) -> bool:
        """True from the signal to the end."""
        return self.phase in {"leaving", "draining"}

    def _shutting_down(self) -> RequestError:
        return RequestError("draining", "this server is shutting down: ask another one", retry_after=1, closes=True)

    async def _forward(self) -> None:
        try:
            probes = [run_texts(model.loaded, ["ready?"]) for model in self._scheduler.models]
            await asyncio.wait_for(asyncio.gather(*probes), PROBE_SECONDS)
        except Exception as error:
            raise RequestError("not_ready", f"a forward pass failed ({type(error).__name__})", retry_after=5) from error

"""Starting, ready, draining: whether the service takes requests, and the forward pass that proves it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.serve.refusals import Refusal

if TYPE_CHECKING:
    from embed_plugin.serve.scheduler import Scheduler

Phase: TypeAlias = Literal["starting", "ready", "draining"]

WARM_UP_WORDS = (1, 8, 40, 120, 250)
"""Lengths, in words of a token each, that are run before the service is ready; cut at the model's limit."""

PROBE_SECONDS = 5.0
"""A forward pass that takes longer is as bad as none."""

PROBE_EVERY_SECONDS = 1.0
"""Probes that come more often share a forward pass: they need no key, and must not be a way to take the cores."""


class Lifecycle:
    """The phase of a service, and what leads from one to the next."""

    def __init__(self, scheduler: Scheduler) -> None:
        self.phase: Phase = "starting"
        self._scheduler = scheduler
        self._probe: asyncio.Task[None] | None = None
        self._probed = float("-inf")

    async def warm_up(self) -> None:
        """Run texts of several lengths on every worker, measure the speed, and be ready."""
        encoder, speed = self._scheduler.encoder, self._scheduler.speed
        texts = ["word " * words for words in WARM_UP_WORDS for _ in range(4 * encoder.runtime.workers)]
        await encoder.aencode_documents(texts)
        speed.forget()
        await encoder.aencode_documents(texts)
        self._scheduler.admission.measure_limits()
        if self.phase == "starting":
            self.phase = "ready"

    def drain(self) -> None:
        """Take no more requests; those that were let in are answered."""
        self.phase = "draining"

    def check(self) -> None:
        """Let a request in.

        Raises:
            Refusal: the service is not ready yet, or drains.
        """
        if self.phase == "draining":
            raise Refusal("draining", "this server is shutting down: ask another one", retry_after=1, closes=True)
        if self.phase == "starting":
            raise Refusal("not_ready", "the model is being warmed up", retry_after=1)

    async def probe(self) -> None:
        """Run a real forward pass, at most one a second.

        Raises:
            Refusal: the service is not ready, drains, or gives no vector in time.
        """
        self.check()
        if self._probe is None or (self._probe.done() and time.monotonic() > self._probed + PROBE_EVERY_SECONDS):
            self._probed = time.monotonic()
            self._probe = asyncio.create_task(self._forward())
        await asyncio.shield(self._probe)

    async def _forward(self) -> None:
        try:
            await asyncio.wait_for(self._scheduler.encoder.aencode_queries(["ready?"]), PROBE_SECONDS)
        except Exception as error:
            raise Refusal("not_ready", f"a forward pass failed ({type(error).__name__})", retry_after=5) from error

"""The parts of one service, put together once and handed to its routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.serve.api.responses import Space
from embed_plugin.serve.lifecycle import Lifecycle
from embed_plugin.serve.metrics import Metrics
from embed_plugin.serve.refusals import Refusal
from embed_plugin.serve.scheduler import Scheduler

if TYPE_CHECKING:
    from embed_plugin.encode import Encoder
    from embed_plugin.encode.queue import BatchReport
    from embed_plugin.serve.settings import ServeSettings


@dataclass(frozen=True)
class Service:
    """One model, served."""

    encoder: Encoder
    settings: ServeSettings
    scheduler: Scheduler
    lifecycle: Lifecycle
    metrics: Metrics
    space: Space
    version: str

    @classmethod
    def of(cls, encoder: Encoder, settings: ServeSettings, *, version: str) -> Service:
        """Put the parts together around an encoder."""
        scheduler = Scheduler(encoder, settings)
        lifecycle = Lifecycle(scheduler)
        metrics = Metrics()
        space = Space(settings.model_name or encoder.spec.source, encoder.fingerprint, encoder.dimension)
        metrics.describe(scheduler, lifecycle, model=space.model, version=version)

        def observe(report: BatchReport) -> None:
            scheduler.speed.note(report)
            metrics.note_batch(report)

        encoder.runtime.observe(observe)
        return cls(encoder, settings, scheduler, lifecycle, metrics, space, version)

    def check_model(self, asked: str | None) -> None:
        """Refuse a request for another model.

        Raises:
            Refusal: it asks for neither the model's name nor its fingerprint.
        """
        if asked not in (None, self.space.model, self.space.fingerprint):
            served = f"this server has {self.space.model!r}, fingerprint {self.space.fingerprint}"
            raise Refusal("model_not_found", f"there is no model {asked!r} here; {served}")

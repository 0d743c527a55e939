"""The parts of one service, put together once and handed to its routes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.serve.api.responses import ServedModel
from embed_plugin.serve.lifecycle import Lifecycle
from embed_plugin.serve.metrics import Metrics
from embed_plugin.serve.request_errors import RequestError
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
    model: ServedModel
    version: str

    @classmethod
    def of(cls, encoder: Encoder, settings: ServeSettings, *, version: str) -> Service:
        """Put the parts together around an encoder."""
        scheduler = Scheduler(encoder, settings)
        lifecycle = Lifecycle(scheduler)
        metrics = Metrics()
        model = ServedModel(settings.model_name or encoder.spec.source, encoder.fingerprint, encoder.dimension)
        metrics.describe(scheduler, lifecycle, model=model.name, version=version)

        def observe(report: BatchReport) -> None:
            scheduler.throughput.add(report)
            metrics.count_batch(report)

        encoder.observe(observe)
        return cls(encoder, settings, scheduler, lifecycle, metrics, model, version)

    def check_model(self, asked: str | None) -> None:
        """Refuse a request for another model.

        Raises:
            RequestError: it asks for neither the model's name nor its fingerprint.
        """
        if asked not in (None, self.model.name, self.model.fingerprint):
            served = f"this server has {self.model.name!r}, fingerprint {self.model.fingerprint}"
            raise RequestError("model_not_found", f"there is no model {asked!r} here; {served}")

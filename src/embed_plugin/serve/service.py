"""Assembles the parts of a service: encoder, scheduler, lifecycle and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError
from embed_plugin.model.matryoshka import cut_spec
from embed_plugin.serve.api.request_content import ContentParser
from embed_plugin.serve.api.responses import ServedModel
from embed_plugin.serve.lifecycle import Lifecycle
from embed_plugin.serve.metrics import Metrics
from embed_plugin.serve.request_errors import MOST_QUOTED, RequestError
from embed_plugin.serve.scheduler import Scheduler

if TYPE_CHECKING:
    from embed_plugin.encode import Encoder
    from embed_plugin.encode.queue import BatchReport
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.serve.settings import ServeSettings


@dataclass(frozen=True)
class Service:
    """The parts that the routes of one model share."""

    encoder: Encoder
    settings: ServeSettings
    scheduler: Scheduler
    lifecycle: Lifecycle
    metrics: Metrics
    content_parser: ContentParser
    model: ServedModel
    version: str

    @classmethod
    def of(cls, encoder: Encoder, settings: ServeSettings, *, version: str) -> Service:
        """Assemble a service around an encoder."""
        scheduler = Scheduler(encoder, settings)
        lifecycle = Lifecycle(scheduler)
        metrics = Metrics()
        model = ServedModel(settings.model_name or encoder.spec.source, encoder.fingerprint, encoder.dimension)
        metrics.describe(scheduler, lifecycle, model=model.name, version=version)

        def observe(report: BatchReport) -> None:
            scheduler.throughput.add(report)
            metrics.count_batch(report)

        encoder.runtime.observe(observe)
        return cls(encoder, settings, scheduler, lifecycle, metrics, ContentParser(settings.texts), model, version)

    def spec_of(self, dimension: int | None, name: str = "dimension") -> ModelSpec:
        """Return the facts of vectors of this length; None: of the model's own.

        Args:
            dimension: The length.
            name: The request's field.

        Raises:
            RequestError: vectors of the model may not be cut, or not so.
        """
        try:
            return cut_spec(self.encoder.spec, dimension)
        except InvalidInputError as error:
            raise RequestError("invalid_request", f"{name}: {error}") from error

    def check_model(self, requested: str | None) -> None:
        """Refuse a request for another model.

        Raises:
            RequestError: the request names neither the model nor its fingerprint.
        """
        if requested is not None and requested not in (self.model.name, self.model.fingerprint):
            served = f"this server has {self.model.name!r}, fingerprint {self.model.fingerprint}"
            raise RequestError("model_not_found", f"there is no model {requested[:MOST_QUOTED]!r} here; {served}")

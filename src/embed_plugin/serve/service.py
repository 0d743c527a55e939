"""Assembles the parts of a service: models, scheduler, lifecycle and metrics."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from embed_plugin.encode.turns import Turns
from embed_plugin.errors import InvalidInputError
from embed_plugin.model.matryoshka import cut_spec
from embed_plugin.serve.api.request_content import ContentParser
from embed_plugin.serve.lifecycle import Lifecycle
from embed_plugin.serve.metrics import Metrics
from embed_plugin.serve.models.served import ServedModels
from embed_plugin.serve.request_errors import RequestError
from embed_plugin.serve.scheduler import Scheduler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from embed_plugin.encode import Encoder
    from embed_plugin.encode.queue import BatchReport
    from embed_plugin.encode.text_model import TextModel
    from embed_plugin.model.spec import ModelSpec
    from embed_plugin.serve.models.served import Served
    from embed_plugin.serve.settings import ServeSettings


@dataclass(frozen=True)
class Service:
    """The parts that the routes share."""

    models: ServedModels
    settings: ServeSettings
    scheduler: Scheduler
    lifecycle: Lifecycle
    metrics: Metrics
    content_parser: ContentParser
    version: str

    @classmethod
    def of(cls, loaded: Sequence[TextModel], settings: ServeSettings, *, version: str) -> Service:
        """Assemble a service around loaded models.

        Raises:
            InvalidInputError: the settings do not name each model, or two are called alike.
        """
        models = ServedModels(loaded, settings.model_names)
        scheduler = Scheduler(models, settings)
        lifecycle = Lifecycle(scheduler)
        metrics = Metrics(models.names)
        metrics.describe(scheduler, lifecycle, version=version)
        turns = Turns(scheduler.workers)
        for model in models:
            if len(loaded) > 1:  # one alone has the cores anyway
                model.loaded.runtime.share_cores(turns)
            model.loaded.runtime.observe(_observer(scheduler, metrics, model.name))
        return cls(models, settings, scheduler, lifecycle, metrics, ContentParser(settings.texts), version)


def _observer(scheduler: Scheduler, metrics: Metrics, model: str) -> Callable[[BatchReport], None]:
    def observe(report: BatchReport) -> None:
        scheduler.throughput.add(report)
        metrics.count_batch(report, model)

    return observe


def spec_of(model: Served[Encoder], dimension: int | None, name: str = "dimension") -> ModelSpec:
    """Return the facts of vectors of this length; None: of the model's own.

    Args:
        model: The model.
        dimension: The length.
        name: The request's field.

    Raises:
        RequestError: vectors of the model may not be cut, or not so.
    """
    try:
        return cut_spec(model.loaded.spec, dimension)
    except InvalidInputError as error:
        raise RequestError("invalid_request", f"{name}: {error}") from error

"""Prometheus metrics. Every series exists from the first scrape, so that a rate starts from zero."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    Info,
    ProcessCollector,
    disable_created_metrics,
    generate_latest,
)

from embed_plugin.serve.request_errors import CLIENT_CLOSED_REQUEST
from embed_plugin.serve.throughput import LANES
from embed_plugin.wire import STATUS

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from embed_plugin.encode.queue import BatchReport
    from embed_plugin.serve.lifecycle import Lifecycle
    from embed_plugin.serve.request_record import RequestRecord
    from embed_plugin.serve.scheduler import Scheduler

LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Seconds. 50 ms is one of them because the alert queries it."""

BATCH_TOKENS_BUCKETS = (8, 16, 32, 64, 128, 192, 256, 384, 512, 1024)
BATCH_TEXTS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)

UNMATCHED = "unmatched"
"""Label of requests that match no route: a path that a client invents must not become a series."""


class Metrics:
    """The metrics of one service, in a registry of their own."""

    def __init__(self, models: Sequence[str]) -> None:
        """Make the series of the models of these names."""
        # They double the number of series, and no query uses them. The switch is global to the process.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("embed_requests", "Requests by outcome.", ("route", "status"), registry=registry)
        self.errors = Counter("embed_errors", "Requests that got an error.", ("route", "code"), registry=registry)
        self.latency = Histogram(
            "embed_request_seconds",
            "From a request's head to the last byte of its vectors.",
            ("lane", "model"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.wait = Histogram(
            "embed_queue_wait_seconds",
            "From queueing a job to its first batch.",
            ("lane", "model"),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.batch_tokens = Histogram(
            "embed_batch_tokens", "Tokens of a run.", ("model",), buckets=BATCH_TOKENS_BUCKETS, registry=registry
        )
        self.batch_texts = Histogram(
            "embed_batch_texts", "Texts of a run.", ("model",), buckets=BATCH_TEXTS_BUCKETS, registry=registry
        )
        self.busy = Counter("embed_worker_busy_seconds", "Time of all workers in runs.", ("model",), registry=registry)
        self.tokens = Counter("embed_tokens", "Tokens encoded.", ("model",), registry=registry)
        self.texts = Counter("embed_texts", "Texts of requests let in.", ("lane", "model"), registry=registry)
        self.truncated = Counter(
            "embed_truncated_texts", "Texts cut at the token limit.", ("model",), registry=registry
        )
        for model in models:
            self._expect_model(model)

    def _expect_model(self, model: str) -> None:
        """Create the series of a model."""
        for metric in (self.batch_tokens, self.batch_texts, self.busy, self.tokens, self.truncated):
            metric.labels(model)
        for lane in LANES:
            for by_lane in (self.latency, self.wait, self.texts):
                by_lane.labels(lane, model)

    def describe(self, scheduler: Scheduler, lifecycle: Lifecycle, *, version: str) -> None:
        """Add the metrics that are read at each scrape, and those that never change."""
        registry = self.registry
        waiting = Gauge("embed_queue_tokens", "Tokens that wait for a worker.", ("lane",), registry=registry)
        limit = Gauge("embed_queue_limit_tokens", "Tokens that may wait.", ("lane",), registry=registry)
        speed = Gauge("embed_speed_tokens_per_second", "As Retry-After reckons.", ("lane",), registry=registry)
        for lane in LANES:
            waiting.labels(lane).set_function(partial(scheduler.admission.waiting, lane))
            limit.labels(lane).set_function(partial(scheduler.admission.limit, lane))
            speed.labels(lane).set_function(partial(scheduler.throughput.tokens_per_second, lane))
        ready = Gauge("embed_ready", "1 while requests are taken.", registry=registry)
        ready.set_function(lambda: float(lifecycle.phase == "ready"))
        workers = Gauge("embed_workers", "Batches run at the same time.", registry=registry)
        workers.set(scheduler.workers)
        about = Info("embed_model", "The models that are served.", ("model", "kind"), registry=registry)
        for model in scheduler.models:
            spec = model.loaded.spec
            about.labels(model.name, model.loaded.kind).info(
                {
                    "fingerprint": spec.fingerprint,
                    "precision": spec.precision,
                    "dimension": str(model.facts.dimension),
                    "max_tokens": str(spec.max_tokens),
                    "version": version,
                }
            )

    def expect(self, routes: Iterable[str]) -> None:
        """Create the series of these routes."""
        for route in (*routes, UNMATCHED):
            for status in sorted({200, CLIENT_CLOSED_REQUEST, *STATUS.values()}):
                self.requests.labels(route, str(status))
            for code in STATUS:
                self.errors.labels(route, code)

    def count_batch(self, report: BatchReport, model: str) -> None:
        """Count a batch that a model ran."""
        self.batch_tokens.labels(model).observe(report.tokens)
        self.batch_texts.labels(model).observe(report.texts)
        self.tokens.labels(model).inc(report.tokens)
        self.busy.labels(model).inc(report.seconds)
        for lane, waits in zip(LANES, (report.small_waits, report.large_waits), strict=True):
            for seconds in waits:
                self.wait.labels(lane, model).observe(seconds)

    def count_request(self, record: RequestRecord, route: str) -> None:
        """Count a request that ended."""
        self.requests.labels(route, str(record.status)).inc()
        if record.code:
            self.errors.labels(route, record.code).inc()
        if record.lane is None:
            return
        self.texts.labels(record.lane, record.model).inc(record.texts)
        self.truncated.labels(record.model).inc(record.truncated)
        if not record.code and record.status != CLIENT_CLOSED_REQUEST:
            self.latency.labels(record.lane, record.model).observe(record.seconds)

    def page(self) -> bytes:
        """All series, in Prometheus' text format."""
        return generate_latest(self.registry)

"""What Prometheus scrapes: every series is there from the first scrape, so that a rate has a zero to start from."""

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

from embed_plugin.serve.refusals import CLIENT_GONE, STATUS
from embed_plugin.serve.throughput import LANES

if TYPE_CHECKING:
    from collections.abc import Iterable

    from embed_plugin.encode.queue import BatchReport
    from embed_plugin.serve.lifecycle import Lifecycle
    from embed_plugin.serve.request_record import Call
    from embed_plugin.serve.scheduler import Scheduler

LATENCY_BUCKETS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120)
"""Seconds; 50 ms, which the alert asks for, is one of them."""

BATCH_TOKENS_BUCKETS = (8, 16, 32, 64, 128, 192, 256, 384, 512, 1024)
BATCH_TEXTS_BUCKETS = (1, 2, 4, 8, 16, 32, 64)

UNMATCHED = "unmatched"
"""The route of a request that no route takes: paths that others think of must not become series."""


class Metrics:
    """The series of one service, in a registry of its own."""

    def __init__(self) -> None:
        # Twice the series, for times that nobody asks for; the switch is the whole process's.
        disable_created_metrics()  # type: ignore[no-untyped-call]  # it has no annotations
        self.registry = registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = Counter("embed_requests", "Requests by outcome.", ("route", "status"), registry=registry)
        self.errors = Counter("embed_errors", "Requests that got an error.", ("route", "code"), registry=registry)
        self.latency = Histogram(
            "embed_request_seconds",
            "From a request's head to the last byte of its vectors.",
            ("lane",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.wait = Histogram(
            "embed_queue_wait_seconds",
            "From queueing a job to its first batch.",
            ("lane",),
            buckets=LATENCY_BUCKETS,
            registry=registry,
        )
        self.batch_tokens = Histogram(
            "embed_batch_tokens", "Tokens of a run.", buckets=BATCH_TOKENS_BUCKETS, registry=registry
        )
        self.batch_texts = Histogram(
            "embed_batch_texts", "Texts of a run.", buckets=BATCH_TEXTS_BUCKETS, registry=registry
        )
        self.busy = Counter("embed_worker_busy_seconds", "Time of all workers in runs.", registry=registry)
        self.tokens = Counter("embed_tokens", "Tokens encoded.", registry=registry)
        self.texts = Counter("embed_texts", "Texts of requests let in.", ("lane",), registry=registry)
        self.truncated = Counter("embed_truncated_texts", "Texts cut at the token limit.", registry=registry)
        for lane in LANES:
            self.latency.labels(lane)
            self.wait.labels(lane)
            self.texts.labels(lane)

    def describe(self, scheduler: Scheduler, lifecycle: Lifecycle, *, model: str, version: str) -> None:
        """Add what is read at the time of a scrape, and what never changes."""
        registry = self.registry
        waiting = Gauge("embed_queue_tokens", "Tokens that wait for a worker.", ("lane",), registry=registry)
        limit = Gauge("embed_queue_limit_tokens", "Tokens that may wait.", ("lane",), registry=registry)
        speed = Gauge("embed_speed_tokens_per_second", "As Retry-After reckons.", ("lane",), registry=registry)
        for lane in LANES:
            waiting.labels(lane).set_function(partial(scheduler.admission.waiting, lane))
            limit.labels(lane).set_function(partial(scheduler.admission.limit, lane))
            speed.labels(lane).set_function(partial(scheduler.speed.tokens_per_second, lane))
        ready = Gauge("embed_ready", "1 while requests are taken.", registry=registry)
        ready.set_function(lambda: float(lifecycle.phase == "ready"))
        workers = Gauge("embed_workers", "Batches run at the same time.", registry=registry)
        workers.set(scheduler.encoder.runtime.workers)
        spec = scheduler.encoder.spec
        Info("embed_model", "The model that is served.", registry=registry).info(
            {
                "model": model,
                "fingerprint": spec.fingerprint,
                "precision": spec.precision,
                "dimension": str(spec.dimension),
                "max_tokens": str(spec.max_tokens),
                "version": version,
            }
        )

    def expect(self, routes: Iterable[str]) -> None:
        """Make the series of these routes."""
        for route in (*routes, UNMATCHED):
            for status in sorted({200, CLIENT_GONE, *STATUS.values()}):
                self.requests.labels(route, str(status))
            for code in STATUS:
                self.errors.labels(route, code)

    def note_batch(self, report: BatchReport) -> None:
        """Count a run."""
        self.batch_tokens.observe(report.tokens)
        self.batch_texts.observe(report.texts)
        self.tokens.inc(report.tokens)
        self.busy.inc(report.seconds)
        for lane, waits in zip(LANES, (report.small_waits, report.large_waits), strict=True):
            for seconds in waits:
                self.wait.labels(lane).observe(seconds)

    def note_call(self, call: Call, route: str) -> None:
        """Count a request that has ended."""
        self.requests.labels(route, str(call.status)).inc()
        if call.code:
            self.errors.labels(route, call.code).inc()
        if call.lane is None:
            return
        self.texts.labels(call.lane).inc(call.texts)
        self.truncated.inc(call.truncated)
        if not call.code and call.status != CLIENT_GONE:
            self.latency.labels(call.lane).observe(call.seconds)

    def page(self) -> bytes:
        """All series, in Prometheus' text format."""
        return generate_latest(self.registry)

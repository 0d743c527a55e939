from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from prometheus_client.parser import text_string_to_metric_families

from embed_plugin import Encoder
from embed_plugin.serve.throughput import LANES
from serve.conftest import serving

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from serve.conftest import RunningServer


@pytest.fixture
def fresh(tiny_model: Callable[..., Path]) -> Iterator[RunningServer]:
    with serving(Encoder.load(tiny_model())) as server:
        yield server


def scrape(server: RunningServer) -> dict[tuple[str, frozenset[tuple[str, str]]], float]:
    page = server.client.get("/metrics").text
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
    }


def value(server: RunningServer, name: str, **labels: str) -> float:
    return scrape(server)[name, frozenset(labels.items())]


def test_every_series_is_there_from_the_first_scrape(fresh: RunningServer) -> None:
    found = scrape(fresh)
    for route in ("/embed", "/v1/embeddings", "/count_tokens", "/info", "/metrics", "/health/ready", "unmatched"):
        for status in ("200", "401", "413", "422", "429", "499", "500", "503", "504"):
            assert found["embed_requests_total", frozenset({("route", route), ("status", status)})] == 0
        assert found["embed_errors_total", frozenset({("route", route), ("code", "overloaded")})] == 0
    for lane in LANES:
        labels = frozenset({("lane", lane), ("model", fresh.model.name)})
        assert found["embed_request_seconds_count", labels] == found["embed_texts_total", labels] == 0
        assert found["embed_queue_tokens", frozenset({("lane", lane)})] == 0
        assert found["embed_queue_limit_tokens", frozenset({("lane", lane)})] > 0
    assert found["process_resident_memory_bytes", frozenset()] > 2**20
    assert found["embed_ready", frozenset()] == 1


def test_requests_texts_tokens_and_lanes_are_counted(fresh: RunningServer) -> None:
    of_it = {"model": fresh.model.name}
    before = value(fresh, "embed_tokens_total", **of_it)
    fresh.embed(["the cat", "cat " * 600])  # 4 and 512 tokens: bulk
    fresh.embed(["the cat"])
    fresh.embed(["a", 3])
    assert value(fresh, "embed_tokens_total", **of_it) - before == 4 + 512 + 4
    assert value(fresh, "embed_requests_total", route="/embed", status="200") == 2
    assert value(fresh, "embed_errors_total", route="/embed", code="invalid_text") == 1
    assert value(fresh, "embed_truncated_texts_total", **of_it) == 1
    assert value(fresh, "embed_texts_total", lane="bulk", **of_it) == 2
    for lane in LANES:
        assert value(fresh, "embed_request_seconds_count", lane=lane, **of_it) == 1
        assert value(fresh, "embed_queue_wait_seconds_count", lane=lane, **of_it) >= 1
    assert value(fresh, "embed_batch_tokens_sum", **of_it) == value(fresh, "embed_tokens_total", **of_it)
    assert value(fresh, "embed_batch_texts_count", **of_it) == value(fresh, "embed_batch_tokens_count", **of_it)


def test_the_model_is_named(fresh: RunningServer) -> None:
    ((labels, found),) = [(dict(key[1]), each) for key, each in scrape(fresh).items() if key[0] == "embed_model_info"]
    assert found == 1
    assert labels["fingerprint"] == fresh.model.fingerprint
    assert (labels["model"], labels["kind"]) == (fresh.model.name, "embedding")
    assert (labels["precision"], labels["dimension"]) == ("int8", "32")


def test_paths_that_others_think_of_are_one_series(fresh: RunningServer) -> None:
    before = len(scrape(fresh))
    for number in range(30):
        fresh.client.get(f"/wp-admin/{number}")
    assert len(scrape(fresh)) == before
    assert value(fresh, "embed_requests_total", route="unmatched", status="404") == 30

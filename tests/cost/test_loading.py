from __future__ import annotations

import pytest

from embed_plugin import InvalidInputError
from embed_plugin.cost import Load


def test_hours_machines_and_bytes_are_the_formulas() -> None:
    load = Load(10e6, tokens_per_chunk=200, text_bytes=900, dimension=384)
    assert load.hours(100_000) == pytest.approx(2e9 / 100_000 / 3600)
    assert load.machines_for(1, tokens_per_second=100_000) == 6
    assert load.machines_for(load.hours(100_000), tokens_per_second=100_000) == 1
    assert load.grpc_bytes == 10e6 * (4 * 384 + 900 + 410)
    assert load.http_bytes == 10e6 * (21 * 384 + 900 + 410)
    assert load.requests == 39_063 + 9_766


def test_what_a_chunk_takes_on_the_wire_was_measured() -> None:
    """``benchmarks/run/upsert_rates.py``: chunks of 1,755 bytes of text were 3,701 bytes by gRPC and 10,168 by HTTP."""
    chunk = Load(1, tokens_per_chunk=260, text_bytes=1755, dimension=384)
    assert chunk.grpc_bytes == pytest.approx(3701, rel=0.01)
    assert chunk.http_bytes == pytest.approx(10_168, rel=0.01)


def test_nonsense_is_refused_by_name() -> None:
    with pytest.raises(InvalidInputError, match="tokens_per_chunk"):
        Load(1, 0, 1, 1)

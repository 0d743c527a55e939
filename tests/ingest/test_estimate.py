from __future__ import annotations

import pytest

from embed_plugin.ingest import Estimator, IngestSettings, Observer, Record, ingest, open_sink
from embed_plugin.testing import FakeEncoder

DRY_RUN = IngestSettings(dry_run=True)


def test_it_reckons_from_what_a_dry_run_finds() -> None:
    encoder, estimator = FakeEncoder(32), Estimator()
    records = [Record(str(number), f"ünd text {number}", {"n": 1}) for number in range(300)]
    with open_sink(":memory:", "c") as sink:
        ingest(records[:100], encoder, sink)
        encoder.encoded.clear()
        ingest(records, encoder, sink, settings=DRY_RUN, observer=Observer(on_change=estimator.add))
    found = estimator.estimate(encoder)
    assert found.tokens == 200 * 5
    assert found.vector_bytes == 200 * 32 * 4
    assert found.payload_bytes == 200 * (len("ünd text 123".encode()) + len('{"n":1}'))
    assert found.tokens_per_second
    assert found.seconds == pytest.approx(found.tokens / found.tokens_per_second)
    assert len(encoder.encoded) == 201  # all of them, for there are fewer than the sample may have, and the first twice


def test_nothing_to_embed_takes_nothing() -> None:
    found = Estimator().estimate(FakeEncoder())
    assert (found.tokens, found.tokens_per_second, found.seconds, found.vector_bytes) == (0, None, 0.0, 0)


def test_a_text_whose_vector_is_known_is_stored_and_not_embedded() -> None:
    encoder, estimator = FakeEncoder(32), Estimator()
    renamed = [Record("old", "text"), Record("kept", "kept")], [Record("new", "text"), Record("kept", "kept")]
    with open_sink(":memory:", "c") as sink:
        ingest(renamed[0], encoder, sink)
        settings = IngestSettings(dry_run=True, mirror=True)
        ingest(renamed[1], encoder, sink, settings=settings, observer=Observer(on_change=estimator.add))
    found = estimator.estimate(encoder)
    assert (found.tokens, found.vector_bytes, found.payload_bytes) == (0, 32 * 4, len("text") + len("{}"))

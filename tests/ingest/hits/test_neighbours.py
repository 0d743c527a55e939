from __future__ import annotations

import pytest

from embed_plugin.errors import InvalidInputError
from embed_plugin.ingest import Hit, IngestSettings, Record, ingest, open_sink, search, with_neighbours
from embed_plugin.testing import FakeEncoder

ENCODER = FakeEncoder()
PARTS = [" ".join(f"{letter}{number}" for number in range(6)) for letter in "abcd"]


def test_a_hit_has_the_chunks_around_it_that_are_there() -> None:
    with open_sink(":memory:", "notes") as sink:
        records = [Record("a", "\n\n".join(PARTS)), Record("b", "one chunk")]
        ingest(records, ENCODER, sink, settings=IngestSettings(chunk_tokens=8))
        (hit,) = search(PARTS[1], ENCODER, sink, limit=1)
        (found,) = with_neighbours([hit], sink, 2)
        assert (found.before, found.text, found.after) == ((PARTS[0],), PARTS[1], (PARTS[2], PARTS[3]))
        (alone,) = with_neighbours(search("one chunk", ENCODER, sink, limit=1), sink, 2)
        assert (alone.before, alone.after) == ((), ())
        assert with_neighbours([hit], sink, 0) == [hit]
        foreign = Hit(1.0, "", 0, "text", {}, point_id="x")
        assert with_neighbours([foreign], sink, 1) == [foreign]
        with pytest.raises(InvalidInputError, match="-1 chunks of context"):
            with_neighbours([hit], sink, -1)

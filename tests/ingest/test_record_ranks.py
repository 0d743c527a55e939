from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from qdrant_client import models

from embed_plugin.ingest import CollectionSettings, IngestSettings, QdrantSink, Record, ingest, open_sink
from embed_plugin.ingest.ids import record_key
from embed_plugin.ingest.record_ranks import find_ranks, held_records, record_chunks, record_of
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from embed_plugin.types import Vectors
    from support.targets import Place

ENCODER = FakeEncoder()
LONG = "\n\n".join(f"paragraph {number} " + "of many words " * 12 for number in range(150))
RECORDS = [Record(f"r{number}", f"text {number}") for number in range(20)]


def key(source_id: str) -> str:
    return record_key("", source_id)


@pytest.fixture
def sink() -> Iterator[QdrantSink]:
    with open_sink(":memory:", "notes") as opened:
        yield opened


def test_a_record_is_found_by_any_of_its_chunks(sink: QdrantSink) -> None:
    ingest([Record("long", LONG), *RECORDS], ENCODER, sink)
    chunks = [chunk for page in sink.scan() for chunk in page if chunk.source_id == "long"]
    assert len(chunks) == 150
    asked = [(chunks[number].text, key("long")) for number in (0, 149)] + [("text 7", key("r7"))]
    assert list(find_ranks(asked, ENCODER, sink)) == [1, 1, 1]


def test_the_rank_counts_records_and_not_their_chunks(sink: QdrantSink) -> None:
    class Ordered(FakeEncoder):
        """Texts are the nearer to a question the longer they are, and the long record's are the nearest."""

        def _vectors(self, texts: list[str]) -> Vectors:
            vectors = super()._vectors(["x"] * len(texts))
            vectors[:, 0] = [3 if "paragraph" in text or text == "asked" else len(text) / 50 for text in texts]
            vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
            return vectors

    texts = [Record(f"r{number}", "y" * (100 - number)) for number in range(20)]
    encoder = Ordered()
    ingest([Record("long", LONG), *texts], encoder, sink)
    records = ["long", "r0", "r8", "r9", "r19"]
    assert list(find_ranks([("asked", key(record)) for record in records], encoder, sink)) == [1, 2, 10, 0, 0]


def test_words_find_a_record_in_a_hybrid_search() -> None:
    with open_sink(":memory:", "notes", settings=CollectionSettings(sparse="bm25")) as sink:
        ingest([Record(f"r{number}", f"common words and word{number}") for number in range(300)], ENCODER, sink)
        asked = [(f"which word{number}", key(f"r{number}")) for number in range(20)]
        dense, hybrid = (list(find_ranks(asked, ENCODER, sink, hybrid=hybrid)) for hybrid in (False, True))
    assert dense.count(0) > 15
    assert set(hybrid) <= {1, 2}


def test_records_are_held_and_their_chunks_read_on_every_target(any_place: Place) -> None:
    settings = IngestSettings(chunk_tokens=20)
    with any_place.opened("one") as sink:
        ingest([Record("long", LONG), *RECORDS], ENCODER, sink, settings=settings)
        other = sink.beside("two")
        ingest([Record("long", LONG), *RECORDS[:5]], ENCODER, other)
        assert held_records(other, [key("long"), key("r4"), key("r5"), "point 7"]) == {key("long"), key("r4")}
        found = record_chunks(sink, {key("long"): range(3, 5), key("r4"): range(2), key("absent"): range(1)})
        assert sorted(chunk.index for chunk in found) == [0, 3, 4]
        assert all(chunk.text and (chunk.text in LONG or chunk.text == "text 4") for chunk in found)
        assert sum(len(page) for page in sink.scan()) > sum(len(page) for page in other.scan())


def test_a_point_of_another_program_is_its_own_record(any_place: Place) -> None:
    with any_place.client() as client:
        size = models.VectorParams(size=ENCODER.dimension, distance=models.Distance.COSINE)
        client.create_collection("docs", vectors_config=size)
        vectors = ENCODER.encode_documents([f"text {number}" for number in range(12)]).tolist()
        points = [
            models.PointStruct(id=number, vector=vector, payload={"page_content": f"text {number}"})
            for number, vector in enumerate(vectors)
        ]
        client.upsert("docs", points)
    with any_place.opened("docs") as sink:
        sink.adopt(ENCODER)
        sink.check(ENCODER)
        names = [record_of(chunk) for page in sink.scan() for chunk in page]
        assert sorted(names) == sorted(f"point {number}" for number in range(12))
        assert held_records(sink, ["point 3", "point 99"]) == {"point 3"}
        assert list(find_ranks([("text 3", "point 3"), ("text 4", "point 99")], ENCODER, sink)) == [1, 0]

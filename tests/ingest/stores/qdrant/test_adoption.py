from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qdrant_client import QdrantClient, models

from embed_plugin.errors import SpaceMismatchError, TargetError
from embed_plugin.ingest import IngestSettings, Record, ingest, migrate, open_sink, search, verify
from embed_plugin.testing import FakeEncoder
from support.frameworks import add_nodes, langchain_embeddings, langchain_store, llama_index_store, nearest_of
from support.targets import Place, place_of

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENCODER, NEW = FakeEncoder(), FakeEncoder(24, fingerprint="new" * 10)
TEXTS = [f"theirs {number}" for number in range(40)]
RECORDS = [Record(str(number), f"ours {number}") for number in range(10)]
COSINE = models.VectorParams(size=32, distance=models.Distance.COSINE)


@pytest.fixture
def memory(tmp_path: Path) -> Iterator[Place]:
    with place_of("memory", tmp_path) as made:
        yield made


def by_langchain(client: QdrantClient) -> None:
    client.create_collection("docs", vectors_config=COSINE)
    langchain_store(client, "docs", ENCODER).add_texts(TEXTS, [{"page": number} for number in range(len(TEXTS))])


def by_langchain_named(client: QdrantClient) -> None:
    client.create_collection("docs", vectors_config={"mine": COSINE})
    langchain_store(client, "docs", ENCODER, vector_name="mine").add_texts(TEXTS)


def by_llama_index(client: QdrantClient) -> None:
    store = llama_index_store(client, "docs", index_doc_id=False)  # local mode warns that it has no indexes
    add_nodes(store, ENCODER, TEXTS, file_name="a.md", page=3)


def by_llama_index_named(client: QdrantClient) -> None:
    client.create_collection("docs", vectors_config={"text-dense": COSINE})
    by_llama_index(client)


def by_a_program(client: QdrantClient, **named: Any) -> None:  # noqa: ANN401
    """Whole numbers as ids, two vectors of which one is of the titles, and keys that we have too."""
    client.create_collection("docs", vectors_config={"title": COSINE, "body": COSINE})
    titles, bodies = ENCODER.encode_documents([f"title {text}" for text in TEXTS]), ENCODER.encode_documents(TEXTS)
    vectors: Any = {"title": titles.tolist(), "body": bodies.tolist()} | named
    payloads = [{"text": text, "source_id": "7", "chunk_index": 1} for text in TEXTS]
    client.upsert("docs", models.Batch(ids=list(range(len(TEXTS))), vectors=vectors, payloads=payloads))


def contents(client: QdrantClient) -> tuple[dict[str, object], list[Any]]:
    """Payloads by id, and vectors, of the points that are not ours; local mode rounds a vector anew when it grows."""
    points, _ = client.scroll("docs", limit=1000, with_payload=True, with_vectors=True)
    theirs = [point for point in points if "record_hash" not in (point.payload or {})]
    vectors = [one.vector if isinstance(one.vector, dict) else {"": one.vector} for one in theirs]
    return {str(one.id): one.payload for one in theirs}, [each[name] for each in vectors for name in sorted(each)]


MAKERS = {
    by_langchain: ("langchain", ""),
    by_langchain_named: ("langchain", "mine"),
    by_llama_index: ("llama-index", ""),
    by_llama_index_named: ("llama-index", "text-dense"),
    by_a_program: ("plain", "body"),
}


@pytest.mark.parametrize("maker", MAKERS)
def test_what_another_program_made_is_taken_over_and_everything_works_on_it(any_place: Place, maker: Any) -> None:  # noqa: ANN401
    with any_place.client() as client:
        maker(client)
        before = contents(client)
    with any_place.opened("docs") as sink, pytest.raises(SpaceMismatchError, match="embed-plugin adopt"):
        ingest(RECORDS, ENCODER, sink)
    with any_place.opened("docs") as sink:
        found = sink.adopt(ENCODER)
        assert (found.points, found.sampled, found.layout, found.vector) == (40, 40, *MAKERS[maker])
        assert ingest(RECORDS, ENCODER, sink).embedded == 10
        assert ingest(RECORDS[1:], ENCODER, sink, settings=IngestSettings(mirror=True)).removed == 1
        checked = verify(ENCODER, sink)
        assert (checked.is_sound, checked.points, checked.foreign) == (True, 49, 40)
        assert search("ours 3", ENCODER, sink, limit=1)[0].text == "ours 3"
        assert sink.adopt(ENCODER).adopted is False
    with any_place.client() as client:
        payloads, vectors = contents(client)
        assert payloads == before[0]
        np.testing.assert_allclose(vectors, before[1], atol=1e-6)
    with any_place.opened("docs") as sink:
        assert migrate(NEW, sink, drop_old=True).embedded == 49
        assert verify(NEW, sink).is_sound
    with any_place.client() as client:
        left: Any = client.get_collection("docs").config.params.vectors
        assert ("title" in left) == (maker is by_a_program)  # a vector that was never this model's is not dropped


def test_the_framework_goes_on_beside_ingest(memory: Place) -> None:
    with memory.client() as client, memory.opened("docs") as sink:
        by_llama_index(client)
        sink.adopt(ENCODER)
        ingest(RECORDS, ENCODER, sink)
        assert nearest_of(llama_index_store(client, "docs"), ENCODER, "ours 3") == "ours 3"


def test_the_sample_is_of_all_points_and_names_the_least_cosine(memory: Place) -> None:
    with memory.client() as client, memory.opened("docs") as sink:
        client.create_collection("docs", vectors_config=COSINE)
        texts = [f"text {number}" for number in range(2000)]
        vectors = ENCODER.encode_documents(texts)
        vectors[600:] = FakeEncoder().encode_documents([f"other {text}" for text in texts[600:]])
        payloads = [{"page_content": text} for text in texts]
        client.upsert("docs", models.Batch(ids=list(range(2000)), vectors=vectors.tolist(), payloads=payloads))
        with pytest.raises(SpaceMismatchError, match=r"least cosine to this model's is -?0\.\d{4}, expected 0\.999 or"):
            sink.adopt(ENCODER)
        assert "embed_plugin" not in (client.get_collection("docs").config.metadata or {})


@pytest.mark.parametrize(("noise", "is_taken"), [(0.0005, True), (0.02, False)])
def test_rounding_is_allowed_and_a_near_model_is_not(memory: Place, noise: float, is_taken: bool) -> None:  # noqa: FBT001
    with memory.client() as client, memory.opened("docs") as sink:
        client.create_collection("docs", vectors_config=COSINE)
        vectors = ENCODER.encode_documents(TEXTS)
        vectors += np.random.default_rng(0).normal(scale=noise, size=vectors.shape).astype(np.float32)
        payloads = [{"text": text} for text in TEXTS]
        client.upsert("docs", models.Batch(ids=list(range(40)), vectors=vectors.tolist(), payloads=payloads))
        if is_taken:
            assert 0.999 <= sink.adopt(ENCODER).least_cosine < 1
        else:
            with pytest.raises(SpaceMismatchError, match=r"least cosine .* is 0\.9"):
                sink.adopt(ENCODER)


def vectors_of(**changed: Any) -> models.VectorParams:  # noqa: ANN401
    usual: dict[str, Any] = {"size": 32, "distance": models.Distance.COSINE}
    return models.VectorParams(**usual | changed)


MULTI = models.MultiVectorConfig(comparator=models.MultiVectorComparator.MAX_SIM)


@pytest.mark.parametrize(
    ("vectors", "says"),
    [
        (vectors_of(size=16), "vectors of dimension 16 with the distance cosine, expected one of dimension 32"),
        (vectors_of(distance=models.Distance.DOT), "with the distance dot, expected one of .* distance cosine"),
        (vectors_of(multivector_config=MULTI), "multivectors of dimension 32"),
        ({"a": vectors_of(size=8), "b": vectors_of(size=9)}, "named 'a' of dimension 8 .*; vectors named 'b' of dim"),
        (vectors_of(), "no points, so nothing shows whose it is, expected some"),
    ],
)
def test_another_shape_is_refused_with_what_was_found(memory: Place, vectors: Any, says: str) -> None:  # noqa: ANN401
    with memory.client() as client, memory.opened("docs") as sink:
        client.create_collection("docs", vectors_config=vectors)
        with pytest.raises(SpaceMismatchError, match=says):
            sink.adopt(ENCODER)


@pytest.mark.parametrize(
    ("payloads", "says"),
    [
        ([{"body": "x", "title": "y"}], r"1 of 1 points without a text \(point 0 has the keys 'body', 'title'\)"),
        ([{"text": "x"}, {"text": None}], r"1 of 2 points without a text .*page_content or text"),
        ([{"text": "x"}, {}], r"\(point 1 has the keys none\)"),
        ([{"text": "x"}, {"page_content": "x"}, {"text": "z"}], "2 in the layout plain, 1 in the layout langchain"),
        ([{"_node_content": "no JSON"}], "1 of 1 points without a text"),
    ],
)
def test_payloads_without_a_text_that_can_be_found_are_refused(
    memory: Place, payloads: list[dict[str, object]], says: str
) -> None:
    with memory.client() as client, memory.opened("docs") as sink:
        client.create_collection("docs", vectors_config=COSINE)
        vectors = ENCODER.encode_documents(["x"] * len(payloads)).tolist()
        client.upsert("docs", models.Batch(ids=list(range(len(payloads))), vectors=vectors, payloads=payloads))
        with pytest.raises(SpaceMismatchError, match=says):
            sink.adopt(ENCODER)
        assert "embed_plugin" not in (client.get_collection("docs").config.metadata or {})


def test_a_collection_of_another_model_or_release_is_refused(memory: Place) -> None:
    with memory.opened("docs") as sink:
        ingest(RECORDS, ENCODER, sink)
        with pytest.raises(SpaceMismatchError, match="the space fake, expected the model's space other"):
            sink.adopt(FakeEncoder(fingerprint="other"))
    with memory.client() as client:
        client.update_collection("docs", metadata={"embed_plugin": {"schema": 99, "fingerprint": "fake"}})
    with memory.opened("docs") as sink, pytest.raises(SpaceMismatchError, match="schema 99"):
        sink.adopt(ENCODER)


def test_metadata_of_the_collection_stays(memory: Place) -> None:
    with memory.client() as client, memory.opened("docs") as sink:
        by_langchain(client)
        client.update_collection("docs", metadata={"owner": "us"})
        sink.adopt(ENCODER)
        metadata = client.get_collection("docs").config.metadata or {}
        assert (metadata["owner"], metadata["embed_plugin"]["namespace"]) == ("us", "docs")


def test_no_such_collection(memory: Place, tmp_path: Path) -> None:
    with memory.opened("docs") as sink, pytest.raises(TargetError, match=r"no collection 'docs' \(found: none\)"):
        sink.adopt(ENCODER)
    with open_sink(f"edge:{tmp_path / 'edge'}", "docs") as sink:
        ingest(RECORDS, ENCODER, sink)
        assert (sink.adopt(ENCODER).adopted, sink.adopt(ENCODER).points) == (False, 10)


def test_langchains_own_collection_of_texts(tmp_path: Path) -> None:
    store = pytest.importorskip("langchain_qdrant").QdrantVectorStore
    made = store.from_texts(
        TEXTS, langchain_embeddings(ENCODER), path=str(tmp_path / "made"), collection_name="docs", vector_name="v"
    )
    made.client.close()
    with open_sink(str(tmp_path / "made"), "docs") as sink:
        assert sink.adopt(ENCODER).vector == "v"
        assert ingest(RECORDS, ENCODER, sink).embedded == 10

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, MultiVectorComparator, MultiVectorConfig, PointStruct, VectorParams

from embed_plugin import SpaceMismatchError, TargetError, check_collection
from embed_plugin.ingest import Record, ingest, migrate, open_sink
from embed_plugin.ingest.stores.qdrant.client.backend import ClientBackend
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

TEXTS = ["the cat", "a dog", "a tree"]


def body(payload: Mapping[str, Any]) -> str | None:
    return payload.get("body")


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    opened = QdrantClient(":memory:")
    opened.create_collection("docs", vectors_config=VectorParams(size=32, distance=Distance.COSINE))
    yield opened
    opened.close()


def fill(client: QdrantClient, vectors: Any) -> None:  # noqa: ANN401 - an array
    points = [PointStruct(id=at, vector=list(vectors[at]), payload={"body": text}) for at, text in enumerate(TEXTS)]
    client.upsert("docs", points)


def fingerprint(client: QdrantClient) -> object:
    return ((client.get_collection("docs").config.metadata or {}).get("embed_plugin") or {}).get("fingerprint")


def test_the_right_vectors_get_their_fingerprint(client: QdrantClient) -> None:
    fill(client, FakeEncoder().encode_documents(TEXTS))
    check_collection(client, "docs", FakeEncoder(), text_of=body)
    assert fingerprint(client) == "fake"


def test_nearly_the_right_vectors_get_none(client: QdrantClient) -> None:
    noise = np.random.default_rng(1).normal(scale=0.01, size=(3, 32))
    fill(client, FakeEncoder().encode_documents(TEXTS) + noise)
    with pytest.raises(SpaceMismatchError, match=r"'docs' has vectors whose cosine to this model's is 0\.99"):
        check_collection(client, "docs", FakeEncoder(), text_of=body)
    assert fingerprint(client) is None


def test_an_empty_collection_gets_the_fingerprint_and_keeps_it(client: QdrantClient) -> None:
    check_collection(client, "docs", FakeEncoder(), text_of=body)
    with pytest.raises(SpaceMismatchError, match="vectors of the space fake, expected this model's space other"):
        check_collection(client, "docs", FakeEncoder(fingerprint="other"), text_of=body)
    assert fingerprint(client) == "fake"


@pytest.mark.parametrize(
    ("encoder", "vector_name", "message"),
    [
        (FakeEncoder(8), "", "vectors of dimension 32, expected this model's 8"),
        (FakeEncoder(), "title", "expected one named 'title'"),
    ],
)
def test_vectors_of_another_shape_are_named(
    client: QdrantClient, encoder: FakeEncoder, vector_name: str, message: str
) -> None:
    with pytest.raises(SpaceMismatchError, match=message):
        check_collection(client, "docs", encoder, text_of=body, vector_name=vector_name)


def test_multivectors_are_refused(client: QdrantClient) -> None:
    several = MultiVectorConfig(comparator=MultiVectorComparator.MAX_SIM)
    client.create_collection(
        "many", vectors_config=VectorParams(size=32, distance=Distance.COSINE, multivector_config=several)
    )
    with pytest.raises(SpaceMismatchError, match="has multivectors, several vectors a point"):
        check_collection(client, "many", FakeEncoder(), text_of=body)


def test_points_without_text_prove_nothing(client: QdrantClient) -> None:
    fill(client, FakeEncoder().encode_documents(TEXTS))
    with pytest.raises(SpaceMismatchError, match="unknown origin whose text is not stored"):
        check_collection(client, "docs", FakeEncoder(), text_of=lambda _: None)


def test_no_such_collection(client: QdrantClient) -> None:
    with pytest.raises(TargetError, match="there is no collection 'cats'"):
        check_collection(client, "cats", FakeEncoder(), text_of=body)


def test_a_migrated_collection_is_searched_by_the_vector_of_its_model_only() -> None:
    old, new = FakeEncoder(32, fingerprint="old"), FakeEncoder(24, fingerprint="new")
    with open_sink(":memory:", "docs") as sink:
        ingest([Record("a", "the cat")], old, sink)
        migrate(new, sink)
        assert isinstance(sink._backend, ClientBackend)
        client = sink._backend.client
        check_collection(client, "docs", new, text_of=body, vector_name="space-new")
        same_length = FakeEncoder(32, fingerprint="new")
        with pytest.raises(SpaceMismatchError, match="under the name 'space-new', expected ''"):
            check_collection(client, "docs", same_length, text_of=body)

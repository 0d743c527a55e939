"""BM25 as a sparse encoder: its vectors are those that ingest stores, by the settings on the collection."""

from __future__ import annotations

import pickle
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from qdrant_client import QdrantClient
from qdrant_client.models import Distance, SparseVector, VectorParams

from embed_plugin import Bm25Encoder, Bm25Settings, MissingExtraError, SpaceMismatchError, TargetError
from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.extras import PACKAGES_OF_EXTRA
from embed_plugin.ingest import CollectionSettings, Record, ingest, open_sink
from embed_plugin.ingest.stores.qdrant.bm25 import Bm25
from embed_plugin.protocols import TextSparseEncoder
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXTS = ["Die Katzen schliefen auf den Dächern.", "The cats slept; the cats ate.", "", "the"]
GERMAN = CollectionSettings(sparse="bm25", sparse_language="german")


@pytest.fixture
def client(path_in_memory: Path) -> Iterator[QdrantClient]:
    target = str(path_in_memory / "qdrant")
    for name, settings in {"german": GERMAN, "dense": CollectionSettings()}.items():
        with open_sink(target, name, settings=settings) as sink:
            ingest([Record(text, text) for text in TEXTS if text], FakeEncoder(), sink)
    client = QdrantClient(path=target)
    yield client
    client.close()


def test_it_is_a_sparse_encoder_with_bm25s_weights() -> None:
    encoder, plain = Bm25Encoder(), Bm25()
    assert isinstance(encoder, TextSparseEncoder)
    for vectors, weigh in (
        (encoder.encode_documents(TEXTS), plain.document),
        (encoder.encode_queries(TEXTS), plain.query),
    ):
        assert [vector.indices.tolist() for vector in vectors] == [weigh(text).indices for text in TEXTS]
        for vector, text in zip(vectors, TEXTS, strict=True):
            np.testing.assert_allclose(vector.values, weigh(text).values, rtol=1e-7)
            assert vector.values.dtype == np.float32
    assert list(encoder.stream_documents(iter(TEXTS))) == encoder.encode_documents(TEXTS)


def test_a_collections_settings_are_taken_and_its_stored_vectors_met(client: QdrantClient) -> None:
    encoder = Bm25Encoder.of_collection(client, "german")
    assert encoder.settings == Bm25Settings(language="german")
    points, _ = client.scroll("german", with_vectors=True)
    stored: dict[str, Any] = {(point.payload or {})["text"]: point.vector for point in points}
    assert len(stored) == 3
    for text, vector in zip(stored, encoder.encode_documents(list(stored)), strict=True):
        found = stored[text].get("bm25", SparseVector(indices=[], values=[]))
        assert sorted(zip(found.indices, np.array(found.values, np.float32), strict=True)) == list(
            zip(vector.indices.tolist(), vector.values, strict=True)
        )


def test_a_collection_without_them_is_named(client: QdrantClient) -> None:
    client.create_collection("theirs", vectors_config=VectorParams(size=4, distance=Distance.COSINE))
    with pytest.raises(SpaceMismatchError, match=r"'dense' has dense vectors only, expected .*--sparse bm25"):
        Bm25Encoder.of_collection(client, "dense")
    with pytest.raises(SpaceMismatchError, match="'theirs' has no word of embed-plugin"):
        Bm25Encoder.of_collection(client, "theirs")
    with pytest.raises(TargetError, match="there is no collection 'dogs'"):
        Bm25Encoder.of_collection(client, "dogs")


def test_settings_are_the_identity_and_are_pickled() -> None:
    german = Bm25Encoder(Bm25Settings(language="german"))
    copy = pickle.loads(pickle.dumps(german))  # noqa: S301 - made in this line
    assert copy.fingerprint == german.fingerprint != Bm25Encoder().fingerprint
    assert copy.encode_documents(TEXTS) == german.encode_documents(TEXTS) != Bm25Encoder().encode_documents(TEXTS)


def test_the_largest_hash_has_room(monkeypatch: pytest.MonkeyPatch) -> None:
    encoder = Bm25Encoder()
    monkeypatch.setattr("embed_plugin.ingest.stores.qdrant.bm25_tokens.mmh3.hash", lambda _: -(2**31))
    assert encoder.encode_queries(["word-not-cached-elsewhere zyx2147483648"])[0].indices.tolist()[-1] == 2**31


@pytest.mark.parametrize(
    ("encode", "texts", "error"),
    [
        (Bm25Encoder.encode_documents, "the cat", InvalidInputError),
        (Bm25Encoder.encode_queries, ["the cat", "\ud800"], InvalidTextError),
        (lambda encoder, texts: list(encoder.stream_documents(texts)), ["the cat", 3], InvalidTextError),
    ],
)
def test_bad_texts_are_refused(encode: Callable[..., object], texts: object, error: type[Exception]) -> None:
    with pytest.raises(error, match="text"):
        encode(Bm25Encoder(), texts)


def test_the_extra_is_asked_for_when_one_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(PACKAGES_OF_EXTRA, "ingest", ("a_package_that_is_not_there",))
    with pytest.raises(MissingExtraError, match=r"pip install 'embed-plugin\[ingest\]'"):
        Bm25Encoder()


def test_its_name_loads_nothing_of_the_extra() -> None:
    loaded = "[name for name in ('mmh3', 'qdrant_client') if name in sys.modules]"
    code = f"import sys, embed_plugin; embed_plugin.Bm25Encoder; print({loaded})"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"

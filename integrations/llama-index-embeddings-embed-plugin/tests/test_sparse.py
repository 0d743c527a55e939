from __future__ import annotations

import pickle
from typing import TYPE_CHECKING, Any

import pytest
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQueryResult
from qdrant_client import QdrantClient
from qdrant_client.hybrid.fusion import reciprocal_rank_fusion as qdrants
from qdrant_client.models import ScoredPoint

from embed_plugin import (
    Bm25Encoder,
    Bm25Settings,
    EncoderSettings,
    InvalidInputError,
    InvalidTextError,
    ModelFolderError,
    SparseEncoder,
    TargetError,
)
from embed_plugin.testing import FakeSparseEncoder
from llama_index.embeddings.embed_plugin import EmbedPluginSparse, reciprocal_rank_fusion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["the quick brown fox", "jumps over", "the lazy dog"]


def ranking(ids: str) -> VectorStoreQueryResult:
    return VectorStoreQueryResult([TextNode(id_=each) for each in ids], [0.0] * len(ids), list(ids))


@pytest.fixture(scope="module")
def sparse(sparse_folder: Path) -> EmbedPluginSparse:
    return EmbedPluginSparse(sparse_folder)


def test_vectors_are_the_encoders(sparse: EmbedPluginSparse, sparse_folder: Path) -> None:
    encoder = SparseEncoder.load(sparse_folder)
    documents, queries = encoder.encode_documents(TEXTS), encoder.encode_queries(TEXTS)
    for vectors, (indices, values) in (
        (documents, sparse.sparse_doc_fn(TEXTS)),
        (queries, sparse.sparse_query_fn(TEXTS)),
    ):
        assert indices == [vector.indices.tolist() for vector in vectors]
        assert values == [vector.values.tolist() for vector in vectors]
    assert sparse.fingerprint == encoder.fingerprint


def test_queries_of_bm25_differ_from_documents_and_it_has_languages() -> None:
    german = EmbedPluginSparse(encoder=Bm25Encoder(Bm25Settings(language="german")))
    assert german.sparse_query_fn(["Katzen"]) == german.sparse_query_fn(["die Katze"])
    assert german.sparse_query_fn(["Katzen"])[1] == [[1.0]] != german.sparse_doc_fn(["Katzen"])[1]


def test_it_pickles(sparse: EmbedPluginSparse) -> None:
    for functions in (sparse, EmbedPluginSparse(encoder=Bm25Encoder())):
        copy = pickle.loads(pickle.dumps(functions))  # noqa: S301 - made in this line
        assert copy.sparse_doc_fn(TEXTS) == functions.sparse_doc_fn(TEXTS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "give either a model folder"),
        ({"model": "models/splade", "encoder": FakeSparseEncoder()}, "give either a model folder"),
        ({"settings": EncoderSettings(), "encoder": FakeSparseEncoder()}, "has its settings already"),
        ({"encoder": "splade"}, "encoder is a str; expected a TextSparseEncoder"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        EmbedPluginSparse(**wrong)


def test_an_encoders_folder_and_a_missing_collection_are_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelFolderError, match="Encoder"):
        EmbedPluginSparse(tiny_model())
    client = QdrantClient(":memory:")
    with pytest.raises(TargetError, match="there is no collection 'docs'"):
        EmbedPluginSparse.of_collection(client, "docs")
    client.close()


def test_a_bad_text_is_named(sparse: EmbedPluginSparse) -> None:
    with pytest.raises(InvalidTextError, match="text 1: is a int"):
        sparse.sparse_doc_fn(["the cat", 3])  # type: ignore[list-item]


@pytest.mark.parametrize(("dense", "words"), [("abcd", "dbx"), ("abc", ""), ("", "ab"), ("", "")])
def test_ranks_are_fused_as_qdrant_fuses_them(dense: str, words: str) -> None:
    points = [[ScoredPoint(id=ord(each), version=0, score=0) for each in ids] for ids in (dense, words)]
    found = reciprocal_rank_fusion(ranking(dense), ranking(words), alpha=0.5, top_k=3)
    expected = qdrants(points, limit=3, ranking_constant_k=10)
    assert found.ids == [chr(int(point.id)) for point in expected]
    assert found.similarities == pytest.approx([point.score for point in expected])
    assert [node.node_id for node in found.nodes or ()] == found.ids


@pytest.mark.parametrize(("alpha", "best"), [(0, "db"), (1, "ab"), (0.9, "ba"), (0.1, "db")])
def test_alpha_weighs_the_rankings(alpha: float, best: str) -> None:
    assert reciprocal_rank_fusion(ranking("abcd"), ranking("dbx"), alpha=alpha, top_k=2).ids == list(best)
    assert set(reciprocal_rank_fusion(ranking("ab"), ranking("xy"), alpha=0, top_k=4).ids or ()) == {"x", "y"}


@pytest.mark.parametrize("alpha", [-0.1, 1.1])
def test_an_alpha_out_of_range_is_refused(alpha: float) -> None:
    with pytest.raises(InvalidInputError, match=f"alpha is {alpha}"):
        reciprocal_rank_fusion(ranking("a"), ranking("b"), alpha=alpha)

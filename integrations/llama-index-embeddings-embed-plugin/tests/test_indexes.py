"""The model inside LlamaIndex's own indexes, pipelines and stores."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.ingestion import IngestionCache, IngestionPipeline
from llama_index.core.schema import MetadataMode, TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from embed_plugin import SpaceMismatchError
from embed_plugin.testing import FakeEncoder
from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding, check_collection

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]


@pytest.fixture
def nodes() -> list[TextNode]:
    return [TextNode(text=text, metadata={"line": number}) for number, text in enumerate(TEXTS)]


@pytest.fixture
def client() -> Iterator[QdrantClient]:
    client = QdrantClient(":memory:")
    yield client
    client.close()


def best(embed_model: EmbedPluginEmbedding, nodes: list[TextNode], query: str) -> list[str]:
    """The texts by cosine, nearest first, reckoned without a store."""
    texts = [node.get_content(MetadataMode.EMBED) for node in nodes]
    scores = np.array(embed_model.get_text_embedding_batch(texts)) @ embed_model.get_query_embedding(query)
    return [nodes[at].text for at in scores.argsort()[::-1]]


def ranked(index: VectorStoreIndex, query: str) -> list[str]:
    return [found.text for found in index.as_retriever(similarity_top_k=5).retrieve(query)]


def test_in_memory(embed_model: EmbedPluginEmbedding, nodes: list[TextNode]) -> None:
    index = VectorStoreIndex(nodes, embed_model=embed_model)
    assert ranked(index, "a cat") == best(embed_model, nodes, "a cat")


def test_qdrant(embed_model: EmbedPluginEmbedding, nodes: list[TextNode], client: QdrantClient) -> None:
    context = StorageContext.from_defaults(vector_store=QdrantVectorStore("docs", client=client))
    index = VectorStoreIndex(nodes, storage_context=context, embed_model=embed_model)
    assert ranked(index, "a cat") == best(embed_model, nodes, "a cat")


@pytest.mark.parametrize("num_workers", [None, 2])
def test_a_pipeline_serial_and_with_workers(
    embed_model: EmbedPluginEmbedding, nodes: list[TextNode], num_workers: int | None
) -> None:
    pipeline = IngestionPipeline(transformations=[embed_model])
    done = pipeline.run(nodes=nodes, num_workers=num_workers)
    expected = embed_model.get_text_embedding_batch([node.get_content(MetadataMode.EMBED) for node in nodes])
    assert sorted(node.embedding for node in done if node.embedding) == sorted(expected)


def test_the_ingestion_cache_tells_models_apart(nodes: list[TextNode]) -> None:
    cache = IngestionCache()
    encoders = [FakeEncoder(fingerprint="one"), FakeEncoder(fingerprint="two"), FakeEncoder(fingerprint="one")]
    for encoder in encoders:
        IngestionPipeline(transformations=[EmbedPluginEmbedding(encoder=encoder)], cache=cache).run(nodes=nodes)
    assert [len(encoder.encoded) for encoder in encoders] == [5, 5, 0]


def test_the_fingerprint_is_written_where_the_vectors_are_right_and_found_where_not(
    embed_model: EmbedPluginEmbedding, nodes: list[TextNode], client: QdrantClient, tiny_model: Callable[..., Path]
) -> None:
    context = StorageContext.from_defaults(vector_store=QdrantVectorStore("docs", client=client))
    VectorStoreIndex(nodes, storage_context=context, embed_model=embed_model)
    other = EmbedPluginEmbedding(model=tiny_model(pooling="cls"))
    with pytest.raises(SpaceMismatchError, match="cosine to this model's"):
        check_collection(client, "docs", other)
    check_collection(client, "docs", embed_model)
    with pytest.raises(SpaceMismatchError, match=f"vectors of the space {embed_model.fingerprint}"):
        check_collection(client, "docs", other)


def test_points_that_are_no_nodes_prove_nothing(embed_model: EmbedPluginEmbedding, client: QdrantClient) -> None:
    from qdrant_client.models import Distance, PointStruct, VectorParams  # noqa: PLC0415 - of this test alone

    client.create_collection("docs", vectors_config=VectorParams(size=32, distance=Distance.COSINE))
    client.upsert("docs", [PointStruct(id=1, vector=[1.0] * 32, payload={"body": "the cat"})])
    with pytest.raises(SpaceMismatchError, match="unknown origin"):
        check_collection(client, "docs", embed_model)


@pytest.mark.real_model
def test_the_real_model_finds_what_is_meant(minilm: Callable[[str], Path]) -> None:
    texts = ["Run a program and wait for it to end.", "Sort a list in place.", "Compress bytes with gzip."]
    embed_model = EmbedPluginEmbedding(model=minilm("int8"))
    index = VectorStoreIndex([TextNode(text=text) for text in texts], embed_model=embed_model)
    assert index.as_retriever(similarity_top_k=1).retrieve("make a file smaller")[0].text == texts[2]

"""Hybrid search: of what `embed-plugin ingest --sparse bm25` stored, and of what LlamaIndex's store filled itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import AsyncQdrantClient, QdrantClient
from qdrant_client.models import Modifier, SparseVectorParams

from embed_plugin import Bm25Encoder
from llama_index.embeddings.embed_plugin import (
    EmbedPluginEmbedding,
    EmbedPluginSparse,
    check_collection,
    reciprocal_rank_fusion,
)
from support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

    from llama_index.core.base.base_retriever import BaseRetriever
    from llama_index.core.schema import NodeWithScore

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]
GERMAN = ["Die Katzen schlafen auf dem Dach.", "Ein Hund lief schnell.", "Das Haus hat ein rotes Dach."]


def ingested(target: Path, model: Path, texts: list[str], *options: str) -> Path:
    """A local Qdrant with the texts as the command stored them, each with its number."""
    lines = "\n".join(json.dumps({"id": text, "text": text, "line": at}) for at, text in enumerate(texts))
    place = ("--model", model, "--to", target, "--collection", "docs", "--id-field", "id")
    given = ("-", "--format", "jsonl", "--layout", "llama-index", "--sparse", "bm25", *options)
    done = run("ingest", *given, *place, stdin=lines)
    assert done.returncode == 0, done.stderr
    return target


def searched(target: Path, model: Path, question: str) -> list[tuple[str, float]]:
    """The texts and scores that the command finds."""
    place = ("--model", model, "--to", target, "--collection", "docs", "--limit", "10")
    found = run("search", question, *place, "--hybrid", "--json", "-")
    return [(hit["text"], hit["score"]) for hit in json.loads(found.stdout)]


def retriever(store: QdrantVectorStore, embed_model: EmbedPluginEmbedding, mode: str = "hybrid") -> BaseRetriever:
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    return index.as_retriever(vector_store_query_mode=mode, similarity_top_k=10, sparse_top_k=10)


def opened(target: Path, sparse: EmbedPluginSparse, *, is_async: bool = False) -> QdrantVectorStore:
    return QdrantVectorStore(
        "docs",
        client=None if is_async else QdrantClient(path=str(target)),
        aclient=AsyncQdrantClient(path=str(target)) if is_async else None,
        enable_hybrid=True,
        sparse_doc_fn=sparse.sparse_doc_fn,
        sparse_query_fn=sparse.sparse_query_fn,
        sparse_vector_name="bm25",
        hybrid_fusion_fn=reciprocal_rank_fusion,
    )


def sparse_of(target: Path, embed_model: EmbedPluginEmbedding) -> EmbedPluginSparse:
    client = QdrantClient(path=str(target))
    check_collection(client, "docs", embed_model)
    sparse = EmbedPluginSparse.of_collection(client, "docs")
    client.close()
    return sparse


def scored(found: list[NodeWithScore]) -> list[tuple[float, str]]:
    """What was found, by text where scores are equal: the order of those is each program's own."""
    return sorted((-round(each.score or 0, 5), each.text) for each in found)


@pytest.mark.parametrize(
    ("texts", "options", "questions"),
    [
        (TEXTS, (), ["reading lines", "cats", "watered", "nothing of this"]),
        (GERMAN, ("--sparse-language", "german"), ["Dächer", "Hunde und Katzen", "Häuser"]),
    ],
)
def test_what_the_command_stored_is_found_as_it_finds_it(
    embed_model: EmbedPluginEmbedding,
    folder: Path,
    tmp_path: Path,
    texts: list[str],
    options: tuple[str, ...],
    questions: list[str],
) -> None:
    target = ingested(tmp_path / "qdrant", folder, texts, *options)
    ours = {question: searched(target, folder, question) for question in questions}
    store = opened(target, sparse_of(target, embed_model))
    changed = []
    for question in questions:
        theirs = retriever(store, embed_model).retrieve(question)
        assert scored(theirs) == sorted((-round(score, 5), text) for text, score in ours[question])
        assert [each.metadata["line"] for each in theirs] == [texts.index(each.text) for each in theirs]
        dense = retriever(store, embed_model, "default").retrieve(question)
        changed.append([each.text for each in theirs] != [each.text for each in dense])
    assert any(changed)
    store.client.close()


def test_async_finds_the_same(embed_model: EmbedPluginEmbedding, folder: Path, tmp_path: Path) -> None:
    target = ingested(tmp_path / "qdrant", folder, TEXTS)
    sparse = sparse_of(target, embed_model)
    store = opened(target, sparse)
    expected = scored(retriever(store, embed_model).retrieve("reading lines"))
    store.client.close()

    async def found() -> list[NodeWithScore]:
        store = opened(target, sparse, is_async=True)
        nodes = await retriever(store, embed_model).aretrieve("reading lines")
        await store._aclient.close()
        return nodes

    assert scored(asyncio.run(found())) == expected


def test_words_alone_find_their_node_and_new_nodes(
    embed_model: EmbedPluginEmbedding, folder: Path, tmp_path: Path
) -> None:
    target = ingested(tmp_path / "qdrant", folder, TEXTS)
    store = opened(target, sparse_of(target, embed_model))
    index = VectorStoreIndex.from_vector_store(store, embed_model=embed_model)
    index.insert_nodes([TextNode(text="dogs and dogs", metadata={"line": 5})])
    found = retriever(store, embed_model, "sparse").retrieve("dog")
    assert [each.metadata["line"] for each in found] == [5, 1]
    store.client.close()


def test_bm25_fills_and_searches_llama_indexs_store(embed_model: EmbedPluginEmbedding) -> None:
    sparse = EmbedPluginSparse(encoder=Bm25Encoder())
    store = QdrantVectorStore(
        "docs",
        client=QdrantClient(":memory:"),
        enable_hybrid=True,
        sparse_doc_fn=sparse.sparse_doc_fn,
        sparse_query_fn=sparse.sparse_query_fn,
        sparse_config=SparseVectorParams(modifier=Modifier.IDF),
    )
    nodes = [TextNode(text=text) for text in ("cats and cats", "the cat and a dog", "the dog")]
    VectorStoreIndex(nodes, storage_context=StorageContext.from_defaults(vector_store=store), embed_model=embed_model)
    found = retriever(store, embed_model, "sparse").retrieve("cat")
    assert [each.text for each in found] == ["cats and cats", "the cat and a dog"]
    store.client.close()


def test_a_learned_encoder_fills_and_searches_llama_indexs_store(
    embed_model: EmbedPluginEmbedding, sparse_folder: Path, tmp_path: Path
) -> None:
    sparse = EmbedPluginSparse(sparse_folder)
    store = opened(tmp_path / "qdrant", sparse)
    context = StorageContext.from_defaults(vector_store=store)
    VectorStoreIndex([TextNode(text=text) for text in TEXTS], storage_context=context, embed_model=embed_model)
    query = sparse.encoder.encode_queries(["read a file"])[0]
    vectors = sparse.encoder.encode_documents(TEXTS)
    expected = {text: query.dot(vector) for text, vector in zip(TEXTS, vectors, strict=True)}
    found = retriever(store, embed_model, "sparse").retrieve("read a file")
    assert [each.text for each in found] == sorted(TEXTS, key=lambda text: -expected[text])
    assert [each.score for each in found] == pytest.approx(sorted(expected.values(), reverse=True), rel=1e-5)
    store.client.close()

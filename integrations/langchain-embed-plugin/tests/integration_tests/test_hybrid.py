"""Hybrid search: of what `embed-plugin ingest --sparse bm25` stored, and of what LangChain's store filled itself."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest
from langchain_core.documents import Document
from langchain_qdrant import QdrantVectorStore, RetrievalMode
from qdrant_client import QdrantClient
from qdrant_client.models import Modifier, Rrf, RrfQuery

from embed_plugin import Bm25Encoder, SpaceMismatchError
from langchain_embed_plugin import EmbedPluginEmbeddings, EmbedPluginSparseEmbeddings, check_collection
from support.command_line import run

if TYPE_CHECKING:
    from pathlib import Path

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]
GERMAN = ["Die Katzen schlafen auf dem Dach.", "Ein Hund lief schnell.", "Das Haus hat ein rotes Dach."]
FUSION: Any = RrfQuery(rrf=Rrf(k=10))  # LangChain names its own default alone


def ingested(target: Path, model: Path, texts: list[str], *options: str) -> Path:
    """A local Qdrant with the texts as the command stored them, each with its number."""
    lines = "\n".join(json.dumps({"id": text, "text": text, "line": at}) for at, text in enumerate(texts))
    place = ("--model", model, "--to", target, "--collection", "docs", "--id-field", "id")
    done = run(
        "ingest", "-", "--format", "jsonl", *place, "--layout", "langchain", "--sparse", "bm25", *options, stdin=lines
    )
    assert done.returncode == 0, done.stderr
    return target


def searched(target: Path, model: Path, question: str, limit: int = 10) -> list[tuple[str, float]]:
    """The texts and scores that the command finds."""
    place = ("--model", model, "--to", target, "--collection", "docs", "--limit", str(limit))
    found = run("search", question, *place, "--hybrid", "--json", "-")
    return [(hit["text"], hit["score"]) for hit in json.loads(found.stdout)]


def opened(client: QdrantClient, embeddings: EmbedPluginEmbeddings) -> QdrantVectorStore:
    check_collection(client, "docs", embeddings)
    return QdrantVectorStore(
        client,
        "docs",
        embeddings,
        retrieval_mode=RetrievalMode.HYBRID,
        sparse_embedding=EmbedPluginSparseEmbeddings.of_collection(client, "docs"),
        sparse_vector_name="bm25",
    )


@pytest.mark.parametrize(
    ("texts", "options", "questions"),
    [
        (TEXTS, (), ["reading lines", "cats", "watered", "nothing of this"]),
        (GERMAN, ("--sparse-language", "german"), ["Dächer", "Hunde und Katzen", "Häuser"]),
    ],
)
def test_what_the_command_stored_is_found_as_it_finds_it(
    embeddings: EmbedPluginEmbeddings,
    folder: Path,
    tmp_path: Path,
    texts: list[str],
    options: tuple[str, ...],
    questions: list[str],
) -> None:
    target = ingested(tmp_path / "qdrant", folder, texts, *options)
    ours = {question: searched(target, folder, question) for question in questions}
    client = QdrantClient(path=str(target))
    hybrid, dense = opened(client, embeddings), QdrantVectorStore(client, "docs", embeddings)
    changed = []
    for question in questions:
        theirs = hybrid.similarity_search_with_score(question, k=10, hybrid_fusion=FUSION)
        assert [found.page_content for found, _ in theirs] == [text for text, _ in ours[question]]
        assert [score for _, score in theirs] == pytest.approx([score for _, score in ours[question]])
        assert [found.metadata["line"] for found, _ in theirs] == [texts.index(text) for text, _ in ours[question]]
        assert asyncio.run(hybrid.asimilarity_search_with_score(question, k=10, hybrid_fusion=FUSION)) == theirs
        changed.append([found for found, _ in theirs] != dense.similarity_search(question, k=10))
    assert any(changed)
    client.close()


def test_the_first_few_of_more_are_the_commands(
    embeddings: EmbedPluginEmbeddings, folder: Path, tmp_path: Path
) -> None:
    """What the README says of a small `k`."""
    target = ingested(tmp_path / "qdrant", folder, TEXTS)
    question = "reading water"
    ours, client = searched(target, folder, question, limit=2), QdrantClient(path=str(target))
    store = opened(client, embeddings)
    theirs = store.similarity_search_with_score(question, k=100, hybrid_fusion=FUSION)[:2]
    assert [(found.page_content, round(score, 5)) for found, score in theirs] == [
        (text, round(score, 5)) for text, score in ours
    ]
    few = store.similarity_search_with_score(question, k=2, hybrid_fusion=FUSION)
    assert [score for _, score in few] != [score for _, score in theirs]
    client.close()


def test_words_alone_find_their_document(embeddings: EmbedPluginEmbeddings, folder: Path, tmp_path: Path) -> None:
    client = QdrantClient(path=str(ingested(tmp_path / "qdrant", folder, TEXTS)))
    store = opened(client, embeddings)
    store.retrieval_mode = RetrievalMode.SPARSE
    assert [found.page_content for found in store.similarity_search("dogs running fast")] == ["a dog ran fast"]
    store.add_documents([Document("dogs and dogs", metadata={"line": 5})])
    assert [found.metadata["line"] for found in store.similarity_search("dog")] == [5, 1]
    client.close()


def test_a_collection_without_sparse_vectors_is_named(embeddings: EmbedPluginEmbeddings) -> None:
    store = QdrantVectorStore.from_texts(TEXTS, embeddings, location=":memory:", collection_name="docs")
    with pytest.raises(SpaceMismatchError, match="'docs' has no word of embed-plugin"):
        EmbedPluginSparseEmbeddings.of_collection(store.client, "docs")
    check_collection(store.client, "docs", embeddings)
    with pytest.raises(SpaceMismatchError, match="'docs' has dense vectors only"):
        EmbedPluginSparseEmbeddings.of_collection(store.client, "docs")
    store.client.close()


def test_bm25_fills_and_searches_langchains_store() -> None:
    store = QdrantVectorStore.from_texts(
        ["cats and cats", "the cat and a dog", "the dog"],
        sparse_embedding=EmbedPluginSparseEmbeddings(encoder=Bm25Encoder()),
        retrieval_mode=RetrievalMode.SPARSE,
        sparse_vector_params={"modifier": Modifier.IDF},
        location=":memory:",
        collection_name="docs",
    )
    assert [found.page_content for found in store.similarity_search("cat")] == ["cats and cats", "the cat and a dog"]
    store.client.close()


def test_a_learned_encoder_fills_and_searches_langchains_store(sparse_folder: Path) -> None:
    sparse = EmbedPluginSparseEmbeddings(sparse_folder)
    store = QdrantVectorStore.from_texts(
        TEXTS,
        sparse_embedding=sparse,
        retrieval_mode=RetrievalMode.SPARSE,
        location=":memory:",
        collection_name="docs",
    )
    query = sparse.encoder.encode_queries(["read a file"])[0]
    scores = {
        text: query.dot(vector) for text, vector in zip(TEXTS, sparse.encoder.encode_documents(TEXTS), strict=True)
    }
    found = store.similarity_search_with_score("read a file", k=5)
    assert [each.page_content for each, _ in found] == sorted(TEXTS, key=lambda text: -scores[text])
    assert [score for _, score in found] == pytest.approx(sorted(scores.values(), reverse=True), rel=1e-5)
    store.client.close()

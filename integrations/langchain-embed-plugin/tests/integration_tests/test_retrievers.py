"""The reranker inside LangChain's own retriever, and that retriever under LangChain's standard tests."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import pytest
from langchain_classic.retrievers import ContextualCompressionRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from langchain_core.vectorstores import InMemoryVectorStore
from langchain_tests.integration_tests import RetrieversIntegrationTests

from embed_plugin import Reranker
from embed_plugin.testing import FakeReranker
from langchain_embed_plugin import EmbedPluginEmbeddings, EmbedPluginReranker

if TYPE_CHECKING:
    from pathlib import Path

    from langchain_core.callbacks import CallbackManagerForRetrieverRun

TEXTS = ["the cat sat on the mat", "a dog ran fast", "open the file", "read a line of text", "fire and water"]


@pytest.fixture
def store(embeddings: EmbedPluginEmbeddings) -> InMemoryVectorStore:
    documents = [Document(text, id=str(number), metadata={"line": number}) for number, text in enumerate(TEXTS)]
    store = InMemoryVectorStore(embeddings)
    store.add_documents(documents)
    return store


def retriever(store: InMemoryVectorStore, reranker: EmbedPluginReranker, k: int = 5) -> ContextualCompressionRetriever:
    first_stage = store.as_retriever(search_kwargs={"k": k})
    return ContextualCompressionRetriever(base_compressor=reranker, base_retriever=first_stage)


def test_candidates_come_back_in_the_rerankers_order(store: InMemoryVectorStore, reranker_folder: Path) -> None:
    reranker = EmbedPluginReranker(model=reranker_folder, top_n=3)
    found = retriever(store, reranker).invoke("read a file")
    candidates = store.similarity_search("read a file", k=5)
    ranked = Reranker.load(reranker_folder).rank("read a file", [each.page_content for each in candidates], top_k=3)
    assert [each.id for each in found] == [candidates[at].id for at, _ in ranked]
    assert [each.metadata["relevance_score"] for each in found] == [score for _, score in ranked]
    assert [each.metadata["line"] for each in found] == [candidates[at].metadata["line"] for at, _ in ranked]
    assert asyncio.run(retriever(store, reranker).ainvoke("read a file")) == found


def test_only_the_candidates_are_scored(store: InMemoryVectorStore) -> None:
    fake = FakeReranker()
    found = retriever(store, EmbedPluginReranker(reranker=fake), k=2).invoke("read a line of text")
    assert [text for _, text in fake.scored] == [
        each.page_content for each in store.similarity_search("read a line of text", k=2)
    ]
    assert len(found) == 2


class RerankedFirstStage(BaseRetriever):
    """The first `k` after the reranker, for tests that give `k` to a retriever's class and to its calls."""

    first_stage: BaseRetriever
    reranker: EmbedPluginReranker
    k: int = 3

    def _get_relevant_documents(
        self, query: str, *, run_manager: CallbackManagerForRetrieverRun, k: int | None = None
    ) -> list[Document]:
        compressor = self.reranker.model_copy(update={"top_n": k or self.k})
        both = ContextualCompressionRetriever(base_compressor=compressor, base_retriever=self.first_stage)
        return both.invoke(query, config={"callbacks": run_manager.get_child()})


class TestRerankedRetriever(RetrieversIntegrationTests):
    @pytest.fixture(autouse=True)
    def _made_here(self, store: InMemoryVectorStore, reranker_folder: Path) -> None:
        first_stage = store.as_retriever(search_kwargs={"k": 5})
        self.params = {"first_stage": first_stage, "reranker": EmbedPluginReranker(model=reranker_folder)}

    @property
    def retriever_constructor(self) -> type[RerankedFirstStage]:
        return RerankedFirstStage

    @property
    def retriever_constructor_params(self) -> dict[str, Any]:
        return self.params

    @property
    def retriever_query_example(self) -> str:
        return "read a file"

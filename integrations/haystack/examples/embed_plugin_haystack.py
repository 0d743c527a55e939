"""Haystack's two embedders over an embed-plugin encoder: how small an adapter for a framework can be.

python integrations/haystack/examples/embed_plugin_haystack.py models/minilm-int8 "make a file smaller"
"""

from __future__ import annotations

import sys
from dataclasses import replace
from typing import Any

from haystack import Document, Pipeline, component, default_from_dict, default_to_dict
from haystack.components.retrievers.in_memory import InMemoryEmbeddingRetriever
from haystack.document_stores.in_memory import InMemoryDocumentStore

from embed_plugin import Encoder


class _Embedder:
    """What both have: a model folder, loaded once, and its name in a saved pipeline."""

    def __init__(self, model: str) -> None:
        self.model = model
        self.encoder = Encoder.load(model)

    def to_dict(self) -> dict[str, Any]:
        """As Haystack saves it."""
        return default_to_dict(self, model=self.model)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Any:  # noqa: ANN401 - Haystack's
        """Made again from that."""
        return default_from_dict(cls, data)


@component
class EmbedPluginTextEmbedder(_Embedder):
    """Embeds a query."""

    @component.output_types(embedding=list[float])
    def run(self, text: str) -> dict[str, Any]:
        """With the query prefix."""
        return {"embedding": self.encoder.encode_queries([text])[0].tolist()}


@component
class EmbedPluginDocumentEmbedder(_Embedder):
    """Embeds documents."""

    @component.output_types(documents=list[Document])
    def run(self, documents: list[Document]) -> dict[str, Any]:
        """All in one call: there is no need to batch them."""
        vectors = self.encoder.encode_documents([document.content or "" for document in documents])
        pairs = zip(documents, vectors.tolist(), strict=True)
        return {"documents": [replace(document, embedding=vector) for document, vector in pairs]}


def main() -> None:
    """Index three texts, ask, print them nearest first."""
    folder, question = sys.argv[1:]
    texts = ["Run a program and wait for it to end.", "Sort a list in place.", "Compress bytes with gzip."]
    store = InMemoryDocumentStore(embedding_similarity_function="dot_product")
    store.write_documents(
        EmbedPluginDocumentEmbedder(folder).run([Document(content=text) for text in texts])["documents"]
    )
    pipeline = Pipeline()
    pipeline.add_component("embedder", EmbedPluginTextEmbedder(folder))
    pipeline.add_component("retriever", InMemoryEmbeddingRetriever(store, scale_score=False))
    pipeline.connect("embedder.embedding", "retriever.query_embedding")
    for found in pipeline.run({"embedder": {"text": question}})["retriever"]["documents"]:
        print(f"{found.score:.3f}  {found.content}")


if __name__ == "__main__":
    main()

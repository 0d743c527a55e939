"""From HuggingFaceEmbeddings or FastEmbedEmbeddings to EmbedPluginEmbeddings: one line, and what changes with it.

    python integrations/langchain-embed-plugin/examples/2_switch.py models/minilm-int8

One of these lines before:

    embeddings = HuggingFaceEmbeddings(model_name="sentence-transformers/all-MiniLM-L6-v2")
    embeddings = FastEmbedEmbeddings(model_name="sentence-transformers/all-MiniLM-L6-v2")

What changes: the vectors are of another space (INT8 ones close to fp32's, and still to be embedded again), queries get
the prefix that the model's documentation asks for, texts are cut at the model's own limit, every vector has unit
length, and nothing is fetched when the object is made.
"""

from __future__ import annotations

import sys

from langchain_core.vectorstores import InMemoryVectorStore

from langchain_embed_plugin import EmbedPluginEmbeddings

TEXTS = ["Run a program and wait for it to end.", "Sort a list in place.", "Compress bytes with gzip."]


def main() -> None:
    """The only line that differs is the first one."""
    embeddings = EmbedPluginEmbeddings(model=sys.argv[1])

    store = InMemoryVectorStore.from_texts(TEXTS, embeddings)
    for document, score in store.similarity_search_with_score("make a file smaller", k=3):
        print(f"{score:.3f}  {document.page_content}")


if __name__ == "__main__":
    main()

"""From HuggingFaceEmbedding or FastEmbedEmbedding to EmbedPluginEmbedding: one line, and what changes with it.

    python integrations/llama-index-embeddings-embed-plugin/examples/2_switch.py models/minilm-int8

One of these lines before:

    embed_model = HuggingFaceEmbedding(model_name="sentence-transformers/all-MiniLM-L6-v2")
    embed_model = FastEmbedEmbedding(model_name="sentence-transformers/all-MiniLM-L6-v2")

What changes: the vectors are of another space (INT8 ones close to fp32's, and still to be embedded again), instructions
are the folder's and are put before the text verbatim, texts are cut at the model's own limit, a call takes 1,024 texts
instead of ten, and nothing is fetched when the object is made.
"""

from __future__ import annotations

import sys

from llama_index.core import Document, VectorStoreIndex

from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding

TEXTS = ["Run a program and wait for it to end.", "Sort a list in place.", "Compress bytes with gzip."]


def main() -> None:
    """The only line that differs is the first one."""
    embed_model = EmbedPluginEmbedding(model=sys.argv[1])

    index = VectorStoreIndex.from_documents([Document(text=text) for text in TEXTS], embed_model=embed_model)
    for found in index.as_retriever(similarity_top_k=3).retrieve("make a file smaller"):
        print(f"{found.score:.3f}  {found.text}")


if __name__ == "__main__":
    main()

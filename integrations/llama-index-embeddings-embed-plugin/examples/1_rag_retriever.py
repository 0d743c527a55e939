r"""Retrieval for generation with LlamaIndex, over the standard library's documentation and without a paid model.

    python examples/1_stdlib_docs.py > docs.jsonl
    python integrations/llama-index-embeddings-embed-plugin/examples/1_rag_retriever.py \
        models/minilm-int8 docs.jsonl "read a CSV file"

The query engine is a real one; MockLLM, which LlamaIndex ships, stands in the model's place and repeats its prompt. Put
any other LLM there, and it answers.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from llama_index.core import VectorStoreIndex
from llama_index.core.llms import MockLLM
from llama_index.core.schema import TextNode

from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding


def main() -> None:
    """Embed the documentation, ask a question, print what the engine answers and where it found it."""
    folder, lines, question = sys.argv[1], Path(sys.argv[2]).read_text(encoding="utf-8").splitlines(), sys.argv[3]
    entries = [json.loads(line) for line in lines]
    nodes = [TextNode(id_=entry["id"], text=entry["text"]) for entry in entries]
    embed_model = EmbedPluginEmbedding(model=folder)
    index = VectorStoreIndex(nodes, embed_model=embed_model, show_progress=sys.stderr.isatty())
    answer = index.as_query_engine(llm=MockLLM(), similarity_top_k=3).query(question)
    print(answer)
    for found in answer.source_nodes:
        print(f"{found.score:.3f}  {found.node_id}")


if __name__ == "__main__":
    main()

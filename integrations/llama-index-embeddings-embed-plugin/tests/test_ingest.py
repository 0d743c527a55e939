"""One Qdrant collection for `embed-plugin ingest`, `embed-plugin search` and LlamaIndex's store, on the real model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from llama_index.core import StorageContext, VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.vector_stores.qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from embed_plugin import Encoder, SpaceMismatchError
from embed_plugin.ingest import CollectionSettings, Record, ingest, open_sink, search
from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding, check_collection

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.real_model

TEXTS = {
    "subprocess.run": "Run a program, wait for it to end, and give back what it printed.",
    "list.sort": "Sort a list in place.",
    "gzip.compress": "Compress bytes with gzip.",
    "csv.reader": "Read the rows of a CSV file.",
    "random.sample": "Pick random elements without repetition.",
    "shutil.rmtree": "Delete a folder and everything in it.",
}
QUESTIONS = ["make a file smaller", "start a process", "read a table from a text file", "choose a few at random"]


def test_what_ingest_wrote_is_read_with_equal_ranking(minilm: Callable[[str], Path], tmp_path: Path) -> None:
    encoder, target = Encoder.load(minilm("int8")), str(tmp_path / "qdrant")
    with open_sink(target, "docs", settings=CollectionSettings(layout="llama-index")) as sink:
        ingest([Record(name, text, {"kind": "function"}) for name, text in TEXTS.items()], encoder, sink)
        ours = {question: search(question, encoder, sink, limit=6) for question in QUESTIONS}
    client, embed_model = QdrantClient(path=target), EmbedPluginEmbedding(model=minilm("int8"))
    check_collection(client, "docs", embed_model)
    index = VectorStoreIndex.from_vector_store(QdrantVectorStore("docs", client=client), embed_model=embed_model)
    for question in QUESTIONS:
        theirs = index.as_retriever(similarity_top_k=6).retrieve(question)
        assert [found.text for found in theirs] == [hit.text for hit in ours[question]]
        assert [found.score for found in theirs] == pytest.approx([hit.score for hit in ours[question]])
        assert theirs[0].metadata["kind"] == "function"
    with pytest.raises(SpaceMismatchError, match=f"vectors of the space {embed_model.fingerprint}"):
        check_collection(client, "docs", EmbedPluginEmbedding(model=minilm("fp32")))
    client.close()


def test_what_the_store_wrote_is_searched_with_equal_ranking(minilm: Callable[[str], Path], tmp_path: Path) -> None:
    embed_model, target = EmbedPluginEmbedding(model=minilm("int8")), str(tmp_path / "qdrant")
    client = QdrantClient(path=target)
    context = StorageContext.from_defaults(vector_store=QdrantVectorStore("docs", client=client))
    nodes = [TextNode(text=text) for text in TEXTS.values()]
    retriever = VectorStoreIndex(nodes, storage_context=context, embed_model=embed_model).as_retriever(
        similarity_top_k=6
    )
    theirs = {question: retriever.retrieve(question) for question in QUESTIONS}
    with pytest.raises(SpaceMismatchError, match="cosine to this model's"):
        check_collection(client, "docs", EmbedPluginEmbedding(model=minilm("int8"), text_instruction="passage: "))
    check_collection(client, "docs", embed_model)
    client.close()
    encoder = Encoder.load(minilm("int8"))
    with open_sink(target, "docs") as sink:
        for question in QUESTIONS:
            hits = search(question, encoder, sink, limit=6)
            assert [hit.text for hit in hits] == [found.text for found in theirs[question]]
            assert [hit.score for hit in hits] == pytest.approx([found.score for found in theirs[question]])

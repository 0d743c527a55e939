"""One Qdrant collection for `embed-plugin ingest`, `embed-plugin search` and LangChain's store, on the real model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from langchain_qdrant import QdrantVectorStore
from qdrant_client import QdrantClient

from embed_plugin import Encoder, SpaceMismatchError
from embed_plugin.ingest import CollectionSettings, Record, ingest, open_sink, search
from langchain_embed_plugin import EmbedPluginEmbeddings, check_collection

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
    with open_sink(target, "docs", settings=CollectionSettings(layout="langchain")) as sink:
        ingest([Record(name, text, {"kind": "function"}) for name, text in TEXTS.items()], encoder, sink)
        ours = {question: search(question, encoder, sink, limit=6) for question in QUESTIONS}
    client, embeddings = QdrantClient(path=target), EmbedPluginEmbeddings(model=minilm("int8"))
    check_collection(client, "docs", embeddings)
    store = QdrantVectorStore(client, "docs", embeddings)
    for question in QUESTIONS:
        theirs = store.similarity_search_with_score(question, k=6)
        assert [document.page_content for document, _ in theirs] == [hit.text for hit in ours[question]]
        assert [score for _, score in theirs] == pytest.approx([hit.score for hit in ours[question]])
        assert theirs[0][0].metadata["kind"] == "function"
    with pytest.raises(SpaceMismatchError, match=f"vectors of the space {embeddings.fingerprint}"):
        check_collection(client, "docs", EmbedPluginEmbeddings(model=minilm("fp32")))
    client.close()


def test_what_the_store_wrote_is_searched_with_equal_ranking(minilm: Callable[[str], Path], tmp_path: Path) -> None:
    embeddings, target = EmbedPluginEmbeddings(model=minilm("int8")), str(tmp_path / "qdrant")
    store = QdrantVectorStore.from_texts(list(TEXTS.values()), embeddings, path=target, collection_name="docs")
    theirs = {question: store.similarity_search_with_score(question, k=6) for question in QUESTIONS}
    with pytest.raises(SpaceMismatchError, match="cosine to this model's"):
        check_collection(store.client, "docs", EmbedPluginEmbeddings(model=minilm("int8"), document_prefix="passage: "))
    check_collection(store.client, "docs", embeddings)
    store.client.close()
    encoder = Encoder.load(minilm("int8"))
    with open_sink(target, "docs") as sink:
        for question in QUESTIONS:
            hits = search(question, encoder, sink, limit=6)
            assert [hit.text for hit in hits] == [document.page_content for document, _ in theirs[question]]
            assert [hit.score for hit in hits] == pytest.approx([score for _, score in theirs[question]])

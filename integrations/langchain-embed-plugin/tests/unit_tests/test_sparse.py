from __future__ import annotations

import asyncio
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest

import langchain_embed_plugin
from embed_plugin import (
    Bm25Encoder,
    Bm25Settings,
    EncoderSettings,
    InvalidInputError,
    InvalidTextError,
    MissingExtraError,
    ModelFolderError,
    SparseEncoder,
)
from embed_plugin.testing import FakeSparseEncoder
from langchain_embed_plugin import EmbedPluginSparseEmbeddings

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

TEXTS = ["the quick brown fox", "jumps over", "the lazy dog"]


@pytest.fixture(scope="module")
def sparse(sparse_folder: Path) -> EmbedPluginSparseEmbeddings:
    return EmbedPluginSparseEmbeddings(sparse_folder)


def test_vectors_are_the_encoders(sparse: EmbedPluginSparseEmbeddings, sparse_folder: Path) -> None:
    encoder = SparseEncoder.load(sparse_folder)
    documents, query = encoder.encode_documents(TEXTS), encoder.encode_queries(TEXTS)[0]
    assert [vector.indices for vector in sparse.embed_documents(TEXTS)] == [each.indices.tolist() for each in documents]
    assert [vector.values for vector in sparse.embed_documents(TEXTS)] == [each.values.tolist() for each in documents]
    assert sparse.embed_query(TEXTS[0]).values == query.values.tolist()
    assert sparse.embed_documents([]) == []
    assert sparse.fingerprint == encoder.fingerprint


@pytest.mark.parametrize("encoder", [None, FakeSparseEncoder(), Bm25Encoder()])
def test_async_gives_the_same(sparse: EmbedPluginSparseEmbeddings, encoder: Any) -> None:  # noqa: ANN401 - of three types
    embeddings = EmbedPluginSparseEmbeddings(encoder=encoder) if encoder else sparse

    async def all_at_once() -> list[Any]:
        queries = [embeddings.aembed_query(text) for text in TEXTS]
        return await asyncio.gather(embeddings.aembed_documents(TEXTS), *queries)

    documents, *queries = asyncio.run(all_at_once())
    assert documents == embeddings.embed_documents(TEXTS)
    assert queries == [embeddings.embed_query(text) for text in TEXTS]


def test_bm25_in_a_language() -> None:
    german = EmbedPluginSparseEmbeddings(encoder=Bm25Encoder(Bm25Settings(language="german")))
    assert german.embed_query("Katzen").indices == german.embed_query("die Katze").indices
    assert german.embed_query("Katze").values == [1.0]


def test_it_pickles(sparse: EmbedPluginSparseEmbeddings) -> None:
    for embeddings in (sparse, EmbedPluginSparseEmbeddings(encoder=Bm25Encoder())):
        copy = pickle.loads(pickle.dumps(embeddings))  # noqa: S301 - made in this line
        assert copy.fingerprint == embeddings.fingerprint
        assert copy.embed_documents(TEXTS) == embeddings.embed_documents(TEXTS)


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({}, "give either a model folder"),
        ({"model": "models/splade", "encoder": FakeSparseEncoder()}, "give either a model folder"),
        ({"settings": EncoderSettings(), "encoder": FakeSparseEncoder()}, "has its settings already"),
        ({"encoder": "splade"}, "encoder is a str; expected a TextSparseEncoder"),
    ],
)
def test_what_cannot_work_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidInputError, match=message):
        EmbedPluginSparseEmbeddings(**wrong)


def test_an_encoders_folder_is_refused(tiny_model: Callable[..., Path]) -> None:
    with pytest.raises(ModelFolderError, match="Encoder"):
        EmbedPluginSparseEmbeddings(tiny_model())


def test_a_bad_text_is_named(sparse: EmbedPluginSparseEmbeddings) -> None:
    with pytest.raises(InvalidTextError, match="text 1: is a int"):
        sparse.embed_documents(["the cat", 3])  # type: ignore[list-item]


def test_without_langchain_qdrant_its_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "langchain_embed_plugin.sparse")
    monkeypatch.setitem(sys.modules, "langchain_qdrant", None)
    with pytest.raises(MissingExtraError, match=r"pip install 'langchain-embed-plugin\[qdrant\]'"):
        langchain_embed_plugin.EmbedPluginSparseEmbeddings  # noqa: B018
    with pytest.raises(AttributeError, match="no attribute 'Embeddings'"):
        langchain_embed_plugin.Embeddings  # noqa: B018
    assert set(langchain_embed_plugin.__all__) <= set(dir(langchain_embed_plugin))

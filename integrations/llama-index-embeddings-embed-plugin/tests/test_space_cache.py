from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from llama_index.core.storage.kvstore import SimpleKVStore

from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding
from llama_index.embeddings.embed_plugin.space_cache import QueryText, SpaceCache

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def values(store: SimpleKVStore) -> list[dict[str, list[float]]]:
    return [value for collection in store._collections_mappings.values() for value in collection.values()]


def test_queries_and_texts_are_kept_apart(folder: Path, embed_model: EmbedPluginEmbedding) -> None:
    store = SimpleKVStore()
    cached = EmbedPluginEmbedding(model=folder, embeddings_cache=store)
    for _ in range(2):
        assert cached.get_text_embedding("the cat") == embed_model.get_text_embedding("the cat")
        assert cached.get_query_embedding("the cat") == embed_model.get_query_embedding("the cat")
        assert cached.get_text_embedding_batch(["the cat"]) == [embed_model.get_text_embedding("the cat")]
        assert asyncio.run(cached.aget_query_embedding("the cat")) == embed_model.get_query_embedding("the cat")
    assert len(values(store)) == 2


def test_a_cache_that_is_set_later_keeps_them_apart_too(folder: Path, embed_model: EmbedPluginEmbedding) -> None:
    store = SimpleKVStore()
    cached = EmbedPluginEmbedding(model=folder)
    cached.embeddings_cache = store
    for each in (cached, cached.model_copy(update={"embeddings_cache": store})):
        assert each.get_text_embedding("the cat") == embed_model.get_text_embedding("the cat")
        assert each.get_query_embedding("the cat") == embed_model.get_query_embedding("the cat")
    assert len(values(store)) == 2
    cached.embeddings_cache = None
    assert cached.embeddings_cache is None
    with pytest.raises(TypeError, match="embeddings_cache is a dict; expected a BaseKVStore"):
        cached.embeddings_cache = {}


def test_models_that_share_a_cache_are_kept_apart(tiny_model: Callable[..., Path]) -> None:
    store = SimpleKVStore()
    mean, cls = (
        EmbedPluginEmbedding(model=tiny_model(pooling=pooling), embeddings_cache=store) for pooling in ("mean", "cls")
    )
    assert mean.get_text_embedding("the cat") != cls.get_text_embedding("the cat")
    assert len(values(store)) == 2


def test_what_is_cached_is_not_computed_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cached = EmbedPluginEmbedding(model=folder, embeddings_cache=SimpleKVStore())
    first = cached.get_text_embedding_batch(["the cat", "a dog"])
    monkeypatch.setattr(cached.encoder, "encode_documents", lambda texts: pytest.fail(f"encoded {texts} again"))
    assert cached.get_text_embedding_batch(["the cat", "a dog"]) == first


def test_a_view_of_a_view_is_a_view_of_the_store() -> None:
    store = SimpleKVStore()
    view = SpaceCache.over(SpaceCache.over(store, "one"), "two")
    assert view.store is store
    view.put("the cat", {"a": 1})
    assert view.get("the cat") == {"a": 1}
    assert view.get(QueryText("the cat")) is None
    assert view.get_all() == {"the cat": {"a": 1}}
    assert view.delete("the cat")
    assert asyncio.run(view.aget_all()) == {}

"""A view of a cache in which queries and texts, and vectors of two models, never meet.

LlamaIndex looks a text up by its words alone, whether it is a query or a document and whichever model asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llama_index.core.storage.kvstore.types import DEFAULT_COLLECTION, BaseKVStore

if TYPE_CHECKING:
    from typing import Self

Value = dict[str, Any]


class QueryText(str):
    """The words of a query, which a cache must not take for a document's."""

    __slots__ = ()


class SpaceCache(BaseKVStore):
    """A key-value store whose collections are those of one vector space and, within it, of queries or texts.

    Attributes:
        store: Where the values are.
        space: The fingerprint.
    """

    def __init__(self, store: BaseKVStore, space: str) -> None:
        self.store = store
        self.space = space

    @classmethod
    def over(cls, store: BaseKVStore, space: str) -> Self:
        """A view of a store, or of the store behind another view."""
        return cls(store.store if isinstance(store, SpaceCache) else store, space)

    def _named(self, collection: str, key: str = "") -> str:
        return f"{collection}-{self.space}-{'query' if isinstance(key, QueryText) else 'text'}"

    def put(self, key: str, val: Value, collection: str = DEFAULT_COLLECTION) -> None:
        """Put a value."""
        self.store.put(key, val, self._named(collection, key))

    async def aput(self, key: str, val: Value, collection: str = DEFAULT_COLLECTION) -> None:
        """`put` for asyncio."""
        await self.store.aput(key, val, self._named(collection, key))

    def get(self, key: str, collection: str = DEFAULT_COLLECTION) -> Value | None:
        """Get a value, or None."""
        return self.store.get(key, self._named(collection, key))

    async def aget(self, key: str, collection: str = DEFAULT_COLLECTION) -> Value | None:
        """`get` for asyncio."""
        return await self.store.aget(key, self._named(collection, key))

    def get_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, Value]:
        """Every text's value."""
        return self.store.get_all(self._named(collection))

    async def aget_all(self, collection: str = DEFAULT_COLLECTION) -> dict[str, Value]:
        """`get_all` for asyncio."""
        return await self.store.aget_all(self._named(collection))

    def delete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """Delete a value; whether it was there."""
        return self.store.delete(key, self._named(collection, key))

    async def adelete(self, key: str, collection: str = DEFAULT_COLLECTION) -> bool:
        """`delete` for asyncio."""
        return await self.store.adelete(key, self._named(collection, key))

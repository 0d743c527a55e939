"""LlamaIndex's `BaseEmbedding` over an embed-plugin encoder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, SpaceMismatchError, TextEncoder
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import Field, field_validator, model_validator
from llama_index.embeddings.embed_plugin.space_cache import QueryText, SpaceCache

BATCH_SIZE = 1024
"""Texts of one call: the encoder computes texts of equal length together, and finds few of them among ten. 16 texts at
a time are 10 % slower; more than 1,024 gain nothing."""


def _load(fields: dict[str, Any]) -> Encoder:
    """The encoder of the fields that stand before it."""
    if not fields["model"]:
        raise InvalidInputError(
            "no model: give a model folder made by  embed-plugin export , as in "
            "EmbedPluginEmbedding(model='models/bge-small')"
        )
    query, text = fields["query_instruction"], fields["text_instruction"]
    return Encoder.load(fields["model"], fields["settings"], query_prefix=query, document_prefix=text)


class EmbedPluginEmbedding(BaseEmbedding):
    """Embeddings of an embed-plugin model folder, on CPU and in this process.

    A text's vector depends on that text alone. Every field that changes a vector is in `to_dict()`, by which the
    ingestion cache tells one transformation from another; `settings` changes none and is left out.

    Args:
        model (str | Path): Model folder made by `embed-plugin export`.
        query_instruction (str | None): Put before every query, verbatim, with whatever space it needs. None: the
            folder's, which is what the model's documentation asks for.
        text_instruction (str | None): The same for texts.
        settings (EncoderSettings): Workers, token budget and what to do with long texts.
        encoder (TextEncoder): An encoder that is loaded already, or a client with the same methods. Then `model` is
            not loaded and the instructions are the encoder's own.
        fingerprint (str): Identity of the vector space. Read from the encoder; where it is given, as by
            `from_dict()`, a model folder of another space is refused.
        embed_batch_size (int): Texts of one call.
        embeddings_cache (BaseKVStore | None): Queries and texts, and models of different fingerprint, are kept apart
            in it.

    Examples:
        `pip install llama-index-embeddings-embed-plugin 'embed-plugin[export]'`

        `embed-plugin export BAAI/bge-small-en-v1.5 --out models/bge-small`

        ```python
        from llama_index.core import Settings
        from llama_index.embeddings.embed_plugin import EmbedPluginEmbedding

        Settings.embed_model = EmbedPluginEmbedding(model="models/bge-small")
        ```
    """

    model: str | Path | None = Field(default=None, description="Model folder made by embed-plugin export.")
    query_instruction: str | None = Field(default=None, description="Put before every query; None: the folder's.")
    text_instruction: str | None = Field(default=None, description="Put before every text; None: the folder's.")
    settings: EncoderSettings = Field(
        default=EncoderSettings(), description="How to run; changes no vector.", exclude=True
    )
    embed_batch_size: int = Field(default=BATCH_SIZE, description="Texts of one call.", gt=0, le=2048)
    encoder: TextEncoder = Field(
        default_factory=_load, description="Loaded from model, or given.", exclude=True, repr=False
    )
    fingerprint: str = Field(default="", description="Identity of the vector space.")

    @field_validator("model")
    @classmethod
    def _as_str(cls, model: str | Path | None) -> str | None:
        """One spelling: `to_dict()` is hashed, and `to_json()` has no paths."""
        return None if model is None else str(model)

    @model_validator(mode="after")
    def _take_over_from_encoder(self) -> Self:
        """Fill in what the encoder says of itself, and refuse what contradicts it."""
        if self.fingerprint not in {"", self.encoder.fingerprint}:
            raise SpaceMismatchError(
                f"found the vector space {self.encoder.fingerprint} in {self.model}, expected {self.fingerprint}: "
                "use the model folder that this object was saved with, or make a new object"
            )
        self.fingerprint = self.encoder.fingerprint
        spec = getattr(self.encoder, "spec", None)
        for name, prefix in (("query_instruction", "query_prefix"), ("text_instruction", "document_prefix")):
            actual, given = getattr(spec, prefix, None), getattr(self, name)
            if given not in {None, actual}:
                problem = f"{name} is {given!r} and the encoder's is {actual!r}: load the encoder with that prefix"
                raise InvalidInputError(problem)
            setattr(self, name, actual)
        if "model_name" not in self.model_fields_set:
            self.model_name = getattr(spec, "source", self.encoder.fingerprint)
        if self.embeddings_cache is not None:
            self.embeddings_cache = SpaceCache.over(self.embeddings_cache, self.fingerprint)
        return self

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Restore through `__init__`, whose errors are not passed over."""
        self.__init__(**state["__dict__"])  # type: ignore[misc]  # as the base class does it

    @classmethod
    def class_name(cls) -> str:
        """The name in serialised form."""
        return "EmbedPluginEmbedding"

    def get_query_embedding(self, query: str) -> Embedding:
        """Embed a query; a cache keeps it apart from a text of the same words."""
        return super().get_query_embedding(QueryText(query))

    async def aget_query_embedding(self, query: str) -> Embedding:
        """`get_query_embedding` for asyncio."""
        return await super().aget_query_embedding(QueryText(query))

    def _get_query_embedding(self, query: str) -> Embedding:
        return self.encoder.encode_queries([query])[0].tolist()  # type: ignore[no-any-return]  # numpy's tolist is Any

    def _get_text_embedding(self, text: str) -> Embedding:
        return self._get_text_embeddings([text])[0]

    def _get_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        return self.encoder.encode_documents(texts).tolist()  # type: ignore[no-any-return]

    async def _aget_query_embedding(self, query: str) -> Embedding:
        encode = getattr(self.encoder, "aencode_queries", None)  # a TextEncoder need not have it
        vectors = await (encode([query]) if encode else asyncio.to_thread(self.encoder.encode_queries, [query]))
        return vectors[0].tolist()  # type: ignore[no-any-return]

    async def _aget_text_embedding(self, text: str) -> Embedding:
        return (await self._aget_text_embeddings([text]))[0]

    async def _aget_text_embeddings(self, texts: list[str]) -> list[Embedding]:
        encode = getattr(self.encoder, "aencode_documents", None)
        vectors = await (encode(texts) if encode else asyncio.to_thread(self.encoder.encode_documents, texts))
        return vectors.tolist()  # type: ignore[no-any-return]

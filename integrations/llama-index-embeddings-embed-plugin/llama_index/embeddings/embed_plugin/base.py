"""LlamaIndex's `BaseEmbedding` over an embed-plugin encoder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from pydantic.json_schema import SkipJsonSchema

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, SpaceMismatchError, TextEncoder
from llama_index.core.base.embeddings.base import BaseEmbedding, Embedding
from llama_index.core.bridge.pydantic import ConfigDict, Field, field_validator, model_validator
from llama_index.core.storage.kvstore.types import BaseKVStore
from llama_index.embeddings.embed_plugin.space_cache import QueryText, SpaceCache

if TYPE_CHECKING:
    from collections.abc import Mapping

BATCH_SIZE = 1024
"""Texts of one call: the encoder computes texts of equal length together, and finds few of them among ten. 16 texts at
a time are 10 % slower; more than 1,024 gain nothing."""


def _load(fields: dict[str, Any]) -> Encoder:
    """The encoder of the fields that stand before it."""
    if not fields["model"] and fields["fingerprint"]:
        raise InvalidInputError(
            "the object that this was saved from was made with encoder=, which is not saved: give it again, as in "
            "EmbedPluginEmbedding.from_dict(fields, encoder=encoder)"
        )
    if not fields["model"]:
        raise InvalidInputError(
            "no model: give a model folder made by  embed-plugin export , as in "
            "EmbedPluginEmbedding(model='models/bge-small')"
        )
    query, text, dimension = fields["query_instruction"], fields["text_instruction"], fields["dimension"]
    settings = fields["settings"]
    return Encoder.load(fields["model"], settings, query_prefix=query, document_prefix=text, dimension=dimension)


_OF_THE_ENCODER = frozenset(
    {"model", "model_name", "query_instruction", "text_instruction", "dimension", "settings", "encoder", "fingerprint"}
)
"""Fields that are fixed when the object is made: the encoder would not follow a change."""

_OTHER_NAMES = {"query_prefix": "query_instruction", "document_prefix": "text_instruction"}


def _with_model(fields: dict[str, Any], known: Mapping[str, object]) -> dict[str, Any]:
    """The fields with `model`, where it is given by its other name.

    What `to_dict()` saved has a fingerprint, and both: there `model_name` is the name in events.

    Raises:
        InvalidInputError: both names are given and differ, or there is no such field.
    """
    if unknown := sorted(fields.keys() - known.keys()):
        other = _OTHER_NAMES.get(unknown[0])
        remedy = f"it is called {other} here" if other else f"leave it out; expected {', '.join(known)}"
        raise InvalidInputError(f"EmbedPluginEmbedding has no {', '.join(unknown)}: {remedy}")
    fields = {name: value for name, value in fields.items() if (name, value) != ("model_name", None)}
    if "model_name" not in fields or fields.get("fingerprint"):
        return fields
    model, name = fields.get("model"), str(fields["model_name"])
    if model is not None and str(model) != name:
        raise InvalidInputError(
            f"model is {str(model)!r} and model_name is {name!r}; expected one of them: model_name is another name of "
            "model"
        )
    return {**fields, "model_name": name} | ({} if "encoder" in fields else {"model": name})


class EmbedPluginEmbedding(BaseEmbedding):
    """Embeddings of an embed-plugin model folder, on CPU and in this process.

    A text's vector depends on that text alone. Every field that changes a vector is in `to_dict()`, by which the
    ingestion cache tells one transformation from another; `settings` changes none and is left out.

    Args:
        model (str | Path): Model folder made by `embed-plugin export`.
        model_name (str): Another name of `model`, as other classes call it. Where it is not given, it becomes the name
            of the model that the folder was made of, for events.
        query_instruction (str | None): Put before every query, verbatim, with whatever space it needs. None: the
            folder's, which is what the model's documentation asks for.
        text_instruction (str | None): The same for texts.
        dimension (int | None): Keep so many numbers of each vector, of a model that was trained for it (Matryoshka).
            None: all.
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

    model_config = ConfigDict(extra="forbid")

    model: str | Path | None = Field(default=None, description="Model folder made by embed-plugin export.")
    query_instruction: str | None = Field(default=None, description="Put before every query; None: the folder's.")
    text_instruction: str | None = Field(default=None, description="Put before every text; None: the folder's.")
    dimension: int | None = Field(default=None, description="Numbers of a vector; None: the model's own.")
    settings: EncoderSettings = Field(
        default=EncoderSettings(), description="How to run; changes no vector.", exclude=True
    )
    embed_batch_size: int = Field(default=BATCH_SIZE, description="Texts of one call.", gt=0, le=2048)
    fingerprint: str = Field(default="", description="Identity of the vector space.")
    encoder: SkipJsonSchema[TextEncoder] = Field(
        default_factory=_load, description="Loaded from model, or given.", exclude=True, repr=False
    )

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - as the base class
        """Load the model folder, or take the encoder over.

        Raises:
            InvalidInputError: no model is named, or two; a field is unknown.
            ModelFolderError: the model folder cannot be used.
        """
        super().__init__(**_with_model(fields, type(self).model_fields))

    def __setattr__(self, name: str, value: object) -> None:
        """Set a field of LlamaIndex's own; a cache is told queries from texts, whenever it is set.

        Raises:
            InvalidInputError: the field belongs to the encoder, whose vectors would not follow.
        """
        if name in _OF_THE_ENCODER:
            raise _fixed(name)
        if name == "embeddings_cache":
            value = self._cache(value)
        super().__setattr__(name, value)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the object. Fields that belong to the encoder, which the copy keeps, cannot be changed in it.

        Raises:
            InvalidInputError: one of them is.
        """
        changed = dict(update or {})
        for name in _OF_THE_ENCODER & changed.keys():
            raise _fixed(name)
        if "embeddings_cache" in changed:
            changed["embeddings_cache"] = self._cache(changed["embeddings_cache"])
        return super().model_copy(update=changed, deep=deep)

    def _cache(self, store: object) -> SpaceCache | None:
        if store is None:
            return None
        if not isinstance(store, BaseKVStore):
            raise TypeError(f"embeddings_cache is a {type(store).__name__}; expected a BaseKVStore")
        return SpaceCache.over(store, self.fingerprint)

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
        taken: dict[str, str | None] = {"fingerprint": self.encoder.fingerprint}
        spec = getattr(self.encoder, "spec", None)
        for name, prefix in (("query_instruction", "query_prefix"), ("text_instruction", "document_prefix")):
            actual, given = getattr(spec, prefix, None), getattr(self, name)
            if given not in {None, actual}:
                problem = f"{name} is {given!r} and the encoder's is {actual!r}: load the encoder with that prefix"
                raise InvalidInputError(problem)
            taken[name] = actual
        if self.dimension not in {None, self.encoder.dimension}:
            problem = f"dimension is {self.dimension} and the encoder's is {self.encoder.dimension}"
            raise InvalidInputError(f"{problem}: load the encoder, or make the client, with that dimension")
        if "model_name" not in self.model_fields_set:
            taken["model_name"] = getattr(spec, "source", self.encoder.fingerprint)
        self.__dict__.update(taken)
        self.embeddings_cache = self.embeddings_cache
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


def _fixed(name: str) -> InvalidInputError:
    return InvalidInputError(
        f"{name} was fixed when this object was made, and its vectors would not follow: make another "
        f"EmbedPluginEmbedding({name}=...)"
    )

"""LangChain's `Embeddings` over an embed-plugin encoder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.embeddings import Embeddings
from langchain_core.utils import from_env
from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic.json_schema import SkipJsonSchema
from tqdm.auto import tqdm

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, TextEncoder

if TYPE_CHECKING:
    from collections.abc import Mapping

MODEL_VARIABLE = "EMBED_PLUGIN_MODEL"
"""The only variable of the environment that is read: the model folder, where `model` is not given."""


def _load(fields: dict[str, Any]) -> Encoder:
    """The encoder of the fields that stand before it."""
    if not fields["model"]:
        raise InvalidInputError(
            "no model: give a model folder made by  embed-plugin export , as in "
            f"EmbedPluginEmbeddings(model='models/bge-small'), or set {MODEL_VARIABLE}; an object that was made with "
            "encoder= needs it again"
        )
    prefixes = {name: fields[name] for name in ("query_prefix", "document_prefix")}
    return Encoder.load(fields["model"], fields["settings"], dimension=fields["dimension"], **prefixes)


def _with_model(fields: dict[str, Any], known: Mapping[str, object]) -> dict[str, Any]:
    """The fields with `model`, where it is given by its other name.

    Raises:
        InvalidInputError: both names are given and differ, or there is no such field.
    """
    fields = dict(fields)
    model, name = fields.get("model"), fields.pop("model_name", None)
    if model is not None and name is not None and str(model) != str(name):
        raise InvalidInputError(
            f"model is {str(model)!r} and model_name is {str(name)!r}; expected one of them: model_name is another "
            "name of model"
        )
    if model is None and name is not None:
        fields["model"] = name
    elif "encoder" in fields:
        fields.setdefault("model", None)  # what the environment names was not loaded
    if unknown := sorted(fields.keys() - known.keys()):
        raise InvalidInputError(
            f"EmbedPluginEmbeddings has no {', '.join(unknown)}; expected {', '.join(known)} or model_name. Leave it "
            "out: instructions are query_prefix and document_prefix, and how to run is settings=EncoderSettings(...)"
        )
    return fields


class EmbedPluginEmbeddings(BaseModel, Embeddings):
    """Embeddings of an embed-plugin model folder, on CPU and in this process.

    A text's vector depends on that text alone: it is the same in any batch, so cached and fresh vectors can be mixed.

    Setup:
        Install `langchain-embed-plugin`, and make a model folder once:

        ```bash
        pip install langchain-embed-plugin 'embed-plugin[export]'
        embed-plugin export BAAI/bge-small-en-v1.5 --out models/bge-small
        ```

    Key init args - embedding params:
        model: str | Path
            Model folder made by `embed-plugin export`. Where it is not given, the environment variable
            `EMBED_PLUGIN_MODEL` names it. `model_name`, as other classes call it, is another name of it.
        query_prefix: str | None
            Put before every query, verbatim. None: the folder's, which is what the model's documentation asks for.
        document_prefix: str | None
            The same for documents.
        dimension: int | None
            Keep so many numbers of each vector, of a model that was trained for it (Matryoshka). None: all.

    Key init args - client params:
        settings: EncoderSettings
            Workers, token budget and what to do with long texts; none of it changes a vector.
        show_progress: bool
            Whether `embed_documents` shows a progress bar.
        encoder: TextEncoder | None
            An encoder that is loaded already, or a client with the same methods. `model` is then not loaded.

    See full list of supported init args and their descriptions below.

    Instantiate:
        ```python
        from langchain_embed_plugin import EmbedPluginEmbeddings

        embeddings = EmbedPluginEmbeddings(model="models/bge-small")
        ```

    Embed single text:
        ```python
        vector = embeddings.embed_query("How do I reset my password?")
        print(vector[:3])
        ```

    Embed multiple texts:
        ```python
        vectors = embeddings.embed_documents(["Open Settings.", "Choose Security."])
        print(len(vectors), len(vectors[0]))
        ```

    Async:
        Callers at the same time share batches instead of fighting for cores.

        ```python
        vector = await embeddings.aembed_query("How do I reset my password?")
        vectors = await embeddings.aembed_documents(["Open Settings.", "Choose Security."])
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", frozen=True)

    model: str | Path | None = Field(default_factory=from_env(MODEL_VARIABLE, default=None))
    """Model folder made by `embed-plugin export`."""

    query_prefix: str | None = None
    """Put before every query, verbatim; None: the folder's."""

    document_prefix: str | None = None
    """Put before every document, verbatim; None: the folder's."""

    dimension: int | None = None
    """Numbers of a vector, of a model that was trained for fewer than its own; None: its own."""

    settings: EncoderSettings = EncoderSettings()
    """How to run; none of it changes a vector."""

    show_progress: bool = False
    """Whether `embed_documents` shows a progress bar."""

    encoder: SkipJsonSchema[TextEncoder] = Field(default_factory=_load, exclude=True, repr=False)
    """Loaded from `model`, or given."""

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - as the base class
        """Load the model folder, or take the encoder over.

        Raises:
            InvalidInputError: no model is named, or two; a field is unknown.
            ModelFolderError: the model folder cannot be used.
        """
        super().__init__(**_with_model(fields, type(self).model_fields))

    @model_validator(mode="after")
    def _check_given_encoder(self) -> Self:
        changes = (self.query_prefix, self.document_prefix, self.dimension)
        if "encoder" in self.model_fields_set and changes != (None, None, None):
            raise InvalidInputError("a prefix or a dimension and a loaded encoder: load the encoder with them")
        return self

    def __eq__(self, other: object) -> bool:
        """Equal where both give the same vectors in the same way; clients are compared themselves."""
        return isinstance(other, EmbedPluginEmbeddings) and self._identity == other._identity

    def __hash__(self) -> int:
        """Consistent with `==`."""
        return hash(self._identity)

    @property
    def _identity(self) -> tuple[object, ...]:
        if isinstance(self.encoder, Encoder):  # the fingerprint covers the prefixes
            return (type(self), self.encoder.fingerprint, self.encoder.settings, self.show_progress)
        return (type(self), self.encoder, self.show_progress)  # a client would send a request for its fingerprint

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the object; of its fields only `show_progress` may change, as the others belong to the encoder.

        Raises:
            InvalidInputError: another field is changed.
        """
        if fixed := sorted((update or {}).keys() - {"show_progress"}):
            raise InvalidInputError(
                f"{', '.join(fixed)} cannot change in a copy, which keeps the encoder: make another "
                f"EmbedPluginEmbeddings({fixed[0]}=...)"
            )
        return super().model_copy(update=update, deep=deep)

    @property
    def model_name(self) -> str | Path | None:
        """Another name of `model`."""
        return self.model

    @property
    def fingerprint(self) -> str:
        """Identity of the vector space: the namespace for a cache, and what a collection is checked against."""
        return self.encoder.fingerprint

    def embed_documents(self, texts: list[str]) -> list[list[float]]:
        """Embed documents.

        Args:
            texts: Any number of texts; there is no need to batch them.

        Returns:
            A vector of unit length for each, in their order.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        if self.show_progress:
            vectors = self.encoder.stream_documents(texts)
            return [vector.tolist() for vector in tqdm(vectors, total=len(texts), desc="Embedding", unit="text")]
        return self.encoder.encode_documents(texts).tolist()  # type: ignore[no-any-return]  # numpy's tolist is Any

    def embed_query(self, text: str) -> list[float]:
        """Embed a query: as `embed_documents`, with the query prefix."""
        return self.encoder.encode_queries([text])[0].tolist()  # type: ignore[no-any-return]

    async def aembed_documents(self, texts: list[str]) -> list[list[float]]:
        """`embed_documents` for asyncio; texts of concurrent calls share batches. It shows no progress."""
        encode = getattr(self.encoder, "aencode_documents", None)  # a TextEncoder need not have it
        vectors = await (encode(texts) if encode else asyncio.to_thread(self.encoder.encode_documents, texts))
        return vectors.tolist()  # type: ignore[no-any-return]

    async def aembed_query(self, text: str) -> list[float]:
        """`embed_query` for asyncio."""
        encode = getattr(self.encoder, "aencode_queries", None)
        vectors = await (encode([text]) if encode else asyncio.to_thread(self.encoder.encode_queries, [text]))
        return vectors[0].tolist()  # type: ignore[no-any-return]

"""LangChain's `Embeddings` over an embed-plugin encoder."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any, Self

from langchain_core.embeddings import Embeddings
from langchain_core.utils import from_env
from pydantic import BaseModel, ConfigDict, Field, model_validator
from tqdm.auto import tqdm

from embed_plugin import Encoder, EncoderSettings, InvalidInputError, TextEncoder

MODEL_VARIABLE = "EMBED_PLUGIN_MODEL"
"""The only variable of the environment that is read: the model folder, where `model` is not given."""


def _load(fields: dict[str, Any]) -> Encoder:
    """The encoder of the fields that stand before it."""
    if not fields["model"]:
        raise InvalidInputError(
            "no model: give a model folder made by  embed-plugin export , as in "
            f"EmbedPluginEmbeddings(model='models/bge-small'), or set {MODEL_VARIABLE}"
        )
    prefixes = {name: fields[name] for name in ("query_prefix", "document_prefix")}
    return Encoder.load(fields["model"], fields["settings"], **prefixes)


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
            `EMBED_PLUGIN_MODEL` names it.
        query_prefix: str | None
            Put before every query, verbatim. None: the folder's, which is what the model's documentation asks for.
        document_prefix: str | None
            The same for documents.

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

    settings: EncoderSettings = EncoderSettings()
    """How to run; none of it changes a vector."""

    show_progress: bool = False
    """Whether `embed_documents` shows a progress bar."""

    encoder: TextEncoder = Field(default_factory=_load, exclude=True, repr=False)
    """Loaded from `model`, or given."""

    @model_validator(mode="after")
    def _check_prefixes(self) -> Self:
        if "encoder" in self.model_fields_set and (self.query_prefix, self.document_prefix) != (None, None):
            raise InvalidInputError("a prefix and a loaded encoder: load the encoder with its prefixes")
        return self

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

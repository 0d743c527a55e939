"""LangChain's `BaseDocumentCompressor` over an embed-plugin reranker."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from langchain_core.documents.compressor import BaseDocumentCompressor
from pydantic import ConfigDict, Field
from pydantic.json_schema import SkipJsonSchema

from embed_plugin import EncoderSettings, InvalidInputError, Reranker, TextReranker

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from langchain_core.callbacks import Callbacks
    from langchain_core.documents import Document

SCORE_KEY = "relevance_score"
"""The key of the score in a document's metadata, as other rerankers of LangChain name it."""

_OF_THE_MODEL = frozenset({"model", "settings", "reranker"})


def _load(fields: dict[str, Any]) -> Reranker:
    """The reranker of the fields that stand before it."""
    if not fields["model"]:
        raise InvalidInputError(
            "no model: give a model folder of a reranker made by  embed-plugin export , as in "
            "EmbedPluginReranker(model='models/bge-reranker'), or a loaded one with reranker="
        )
    return Reranker.load(fields["model"], fields["settings"])


class EmbedPluginReranker(BaseDocumentCompressor):
    """Keep the documents that answer a query best, by an embed-plugin reranker on CPU and in this process.

    The score of a document depends on the query and the document's text alone. It is in the metadata of the documents
    that are returned, as `relevance_score`; those that were given are not changed.

    Setup:
        Install `langchain-embed-plugin`, and make a model folder once:

        ```bash
        pip install langchain-embed-plugin 'embed-plugin[export]'
        embed-plugin export BAAI/bge-reranker-base --out models/bge-reranker
        ```

    Key init args:
        model: str | Path
            Model folder of a reranker, made by `embed-plugin export`.
        top_n: int | None
            The most documents that are returned. None: all of them, in the order of their scores.
        instruction: str | None
            One line that says what queries are for, for a model that takes one. None: the model's own.
        settings: EncoderSettings
            Workers, token budget and what to do with long texts; none of it changes a score.
        reranker: TextReranker | None
            A reranker that is loaded already. `model` is then not loaded.

    Instantiate:
        ```python
        from langchain_classic.retrievers import ContextualCompressionRetriever
        from langchain_embed_plugin import EmbedPluginReranker

        reranker = EmbedPluginReranker(model="models/bge-reranker", top_n=3)
        retriever = ContextualCompressionRetriever(
            base_compressor=reranker, base_retriever=store.as_retriever(search_kwargs={"k": 50})
        )
        ```

    Use:
        ```python
        documents = retriever.invoke("How do I reset my password?")
        documents[0].metadata["relevance_score"]
        ```
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid", validate_assignment=True)

    model: str | Path | None = Field(default=None, frozen=True)
    """Model folder of a reranker, made by `embed-plugin export`."""

    top_n: int | None = Field(default=3, ge=1)
    """The most documents that are returned; None: all."""

    instruction: str | None = None
    """One line that says what queries are for; None: the model's own."""

    settings: EncoderSettings = Field(default=EncoderSettings(), frozen=True)
    """How to run; none of it changes a score."""

    reranker: SkipJsonSchema[TextReranker] = Field(default_factory=_load, exclude=True, repr=False, frozen=True)
    """Loaded from `model`, or given."""

    def __init__(self, **fields: Any) -> None:  # noqa: ANN401 - as the base class
        """Load the model folder, or take the reranker over.

        Raises:
            InvalidInputError: no model is named, or a field is unknown.
            ModelFolderError: the model folder cannot be used, or is no reranker's.
        """
        known = type(self).model_fields
        if unknown := sorted(fields.keys() - known.keys()):
            message = f"EmbedPluginReranker has no {', '.join(unknown)}; expected {', '.join(known)}. Leave it out"
            raise InvalidInputError(f"{message}: how to run is settings=EncoderSettings(...)")
        super().__init__(**fields)

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> Self:
        """Copy the object; `top_n` and `instruction` may change, the other fields belong to the loaded model.

        Raises:
            InvalidInputError: another field is changed.
        """
        if fixed := sorted((update or {}).keys() & _OF_THE_MODEL):
            raise InvalidInputError(
                f"{', '.join(fixed)} cannot change in a copy, which keeps the loaded model: make another "
                f"EmbedPluginReranker({fixed[0]}=...)"
            )
        return super().model_copy(update=update, deep=deep)

    @property
    def fingerprint(self) -> str:
        """Identity of the scores: equal fingerprints mean comparable scores."""
        return self.reranker.fingerprint

    def compress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """Return the documents that answer the query best, best first.

        Args:
            documents: Any number of documents; their texts are scored, their metadata is not.
            query: What is asked.
            callbacks: Not used: a reranker has no steps of its own.

        Returns:
            At most `top_n` copies with the score in their metadata; of equal scores the earlier one comes first.

        Raises:
            InvalidInputError: the query is empty, or there is an instruction and the model takes none.
            InvalidTextError: a document's text holds a lone surrogate.
        """
        del callbacks
        texts = [document.page_content for document in documents]
        ranked = self.reranker.rank(query, texts, top_k=self.top_n, instruction=self.instruction)
        return [_scored(documents[index], score) for index, score in ranked]

    async def acompress_documents(
        self, documents: Sequence[Document], query: str, callbacks: Callbacks | None = None
    ) -> list[Document]:
        """`compress_documents` for asyncio; pairs of concurrent calls share batches."""
        rank = getattr(self.reranker, "arank", None)  # a TextReranker need not have it
        if rank is None:
            return await asyncio.to_thread(self.compress_documents, documents, query, callbacks)
        texts = [document.page_content for document in documents]
        ranked = await rank(query, texts, top_k=self.top_n, instruction=self.instruction)
        return [_scored(documents[index], score) for index, score in ranked]


def _scored(document: Document, score: float) -> Document:
    """A copy of a document with its score."""
    return document.model_copy(update={"metadata": {**document.metadata, SCORE_KEY: score}})

"""Schemas of the routes that rank texts for a query, in text-embeddings-inference's form and in Cohere's and Jina's."""

from __future__ import annotations

from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, StrictBool, StrictInt, model_validator

from embed_plugin.serve.api.schemas import OwnRequest

OF_TEXTS = ("raw_scores", "return_text")
OF_DOCUMENTS = ("top_n", "return_documents")


class Document(BaseModel):
    """A document, as an object."""

    model_config = ConfigDict(extra="forbid")

    text: str


class RerankRequest(OwnRequest):
    """A query with `texts` (text-embeddings-inference's form) or with `documents` (Cohere's and Jina's)."""

    query: str = Field(description="The question that the texts are ranked for.")
    texts: Annotated[list[str], Field(fail_fast=True)] | None = Field(
        None, description="Texts to rank; the answer is a list of index and score."
    )
    documents: Annotated[list[str | Document], Field(fail_fast=True)] | None = Field(
        None, description="Texts to rank, or objects with one; the answer is an object with results."
    )
    model: str | None = Field(None, description="The model's name or fingerprint; any other gets 404.")
    truncate: StrictBool | None = Field(
        None, description="true: a text too long beside the query is cut; false: it is refused."
    )
    instruction: str | None = Field(
        None, description="What the query is for, in place of what the model's prompt says; some models take it."
    )
    raw_scores: StrictBool | None = Field(
        None, description="With texts: true: the model's numbers; otherwise scores from 0 to 1, their sigmoid."
    )
    return_text: StrictBool | None = Field(None, description="With texts: repeat each text in the answer.")
    top_n: Annotated[StrictInt, Field(ge=1)] | None = Field(
        None, description="With documents: the most that are returned; all are scored."
    )
    return_documents: StrictBool | None = Field(None, description="With documents: repeat each one in the answer.")

    @model_validator(mode="after")
    def _has_one_form(self) -> Self:
        if (self.texts is None) == (self.documents is None):
            raise ValueError("expected either texts or documents")
        here, others = ("documents", OF_TEXTS) if self.texts is None else ("texts", OF_DOCUMENTS)
        if odd := [name for name in others if getattr(self, name) is not None]:
            raise ValueError(f"{odd[0]} does not go with {here}")
        return self

    @property
    def listed(self) -> list[str]:
        """The texts, in either form."""
        if self.documents is None:
            return self.texts or []
        return [each if isinstance(each, str) else each.text for each in self.documents]


class Rank(BaseModel):
    """A text's score."""

    index: int = Field(description="Place of the text in the request.")
    score: float
    text: str | None = Field(None, description="With return_text.")


class RankedDocument(BaseModel):
    """A document's score."""

    index: int = Field(description="Place of the document in the request.")
    relevance_score: float = Field(description="As the model states it: from 0 to 1, or any number.")
    document: Document | None = Field(None, description="With return_documents.")


class RerankUsage(BaseModel):
    """Number of tokens of all pairs of query and document."""

    prompt_tokens: int
    total_tokens: int


class RerankTokens(BaseModel):
    """The same as Cohere calls it."""

    input_tokens: int


class RerankMeta(BaseModel):
    """Facts about the answer."""

    tokens: RerankTokens


class RerankAnswer(BaseModel):
    """Documents, best first."""

    model: str
    results: list[RankedDocument]
    usage: RerankUsage
    meta: RerankMeta

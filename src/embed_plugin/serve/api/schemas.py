"""Schemas of our own routes, for validation and for OpenAPI; the same fields as in :mod:`embed_plugin.wire`."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictBool, StrictInt
from pydantic_core import PydanticUseDefault


def null_is_default(value: object) -> object:
    """Take null as the field's default: clients send every field they know."""
    if value is None:
        raise PydanticUseDefault
    return value


Texts = Annotated[list[str], Field(fail_fast=True, description="Texts, in the order their vectors come back.")]
RoleField = Annotated[
    Literal["document", "query"],
    BeforeValidator(null_is_default, json_schema_input_type=Literal["document", "query"] | None),
    Field(description="Use of the texts; it selects the prefix."),
]


class OwnRequest(BaseModel):
    """A request. Unknown fields are refused: a misspelt field must not change the result."""

    model_config = ConfigDict(extra="forbid")


class InputsRequest(OwnRequest):
    """A text, or texts, in the form of text-embeddings-inference's routes."""

    inputs: str | Annotated[list[str], Field(fail_fast=True)] = Field(description="A text, or texts.")
    role: RoleField = "document"
    truncate: StrictBool | None = Field(
        None, description="true: a text above the token limit is cut; false: it is refused."
    )
    model: str | None = Field(None, description="If given, the model's name or fingerprint; any other gets 404.")

    @property
    def texts(self) -> list[str]:
        """The texts; one text is a list of one."""
        return [self.inputs] if isinstance(self.inputs, str) else self.inputs


class EmbedRequest(OwnRequest):
    """Texts to encode."""

    texts: Texts
    role: RoleField = "document"
    model: str | None = Field(None, description="If given, the model's name or fingerprint; any other gets 404.")
    truncate: StrictBool | None = Field(
        None, description="true: a text above the token limit is cut, and named in the answer; false: it is refused."
    )
    instruction: str | None = Field(
        None, description="What the queries are for, in place of what the query prefix says; some models take it."
    )
    dimension: StrictInt | None = Field(
        None, description="Shorter vectors, of a model that was trained for it; they have a fingerprint of their own."
    )


class CountRequest(OwnRequest):
    """Texts whose tokens are counted."""

    texts: Texts
    role: RoleField = "document"
    model: str | None = Field(None, description="If given, the model's name or fingerprint; any other gets 404.")


class Usage(BaseModel):
    """Number of encoded texts and tokens."""

    texts: int
    tokens: int = Field(description="Special tokens and prefixes included, cut at the limit.")


class EmbedAnswer(BaseModel):
    """Vectors of unit length."""

    embeddings: list[list[float]]
    latency_ms: float = Field(description="From the request's head to its vectors.")
    model: str
    fingerprint: str = Field(description="Identity of the vector space: equal fingerprints, comparable vectors.")
    dimension: int
    usage: Usage
    truncated: list[int] = Field(description="Indices of the texts that were cut at the token limit.")


class CountAnswer(BaseModel):
    """Tokens of each text."""

    tokens: list[int] = Field(description="Special tokens and prefix included, not cut at the limit.")
    model: str
    fingerprint: str
    max_tokens: int


class Limits(BaseModel):
    """Limits of one request."""

    texts: int
    text_characters: int
    body_bytes: int


class MatryoshkaAnswer(BaseModel):
    """How the vectors of a model may be cut."""

    lengths: list[int] = Field(description="The lengths that may be asked for; none: any below the model's own.")
    layer_norm: bool = Field(description="Vectors are normalised to a mean of 0 and a variance of 1 before the cut.")


class ModelAnswer(BaseModel):
    """A model that is served."""

    model: str
    kind: str = Field(description="Kind of its results: embedding, reranker, sparse, late-interaction.")
    fingerprint: str
    dimension: int
    max_tokens: int
    precision: str
    pooling: str
    query_prefix: str
    document_prefix: str
    matryoshka: MatryoshkaAnswer | None = Field(description="null: nothing says that vectors may be cut.")


class InfoAnswer(ModelAnswer):
    """One model, the limits, and all models."""

    version: str
    models: list[ModelAnswer]
    limits: Limits


class ErrorDetail(BaseModel):
    """Code and message of an error."""

    code: str
    message: str
    index: int | None = Field(description="Index of the text at fault, if there is one.")


class ErrorAnswer(BaseModel):
    """An error."""

    error: ErrorDetail

"""Schemas of the routes under /v1, in the shapes of OpenAI's API."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StrictInt

from embed_plugin.serve.api.roles import InputType
from embed_plugin.serve.api.schemas import null_is_default

Encoding = Annotated[
    Literal["float", "base64"],
    BeforeValidator(null_is_default, json_schema_input_type=Literal["float", "base64"] | None),
]


class EmbeddingsRequest(BaseModel):
    """Texts to encode. Fields that OpenAI's clients send besides (``user``, ...) are let through."""

    model_config = ConfigDict(extra="ignore")

    input: str | Annotated[list[str], Field(fail_fast=True)] = Field(
        description="A text or texts. Token ids are refused with 400: they belong to another model's tokenizer."
    )
    model: str = Field(
        description="The model's name or fingerprint; any other gets 404. NAME:query and NAME:document state the role."
    )
    encoding_format: Encoding = "float"
    dimensions: StrictInt | None = Field(None, description="The model's own, or fewer where it was trained for that.")
    role: Literal["document", "query"] | None = Field(
        None, description="Use of the texts; it selects the prefix. Without any role they are documents."
    )
    input_type: InputType | None = Field(None, description="The role, as other services call it.")
    task: InputType | None = Field(None, description="The role, as other services call it.")


class Embedding(BaseModel):
    """One vector."""

    object: Literal["embedding"] = "embedding"
    index: int
    embedding: list[float] | str = Field(description="Numbers, or little-endian float32 in base64.")


class OpenAIUsage(BaseModel):
    """Number of encoded tokens, by this model's own tokenizer."""

    prompt_tokens: int
    total_tokens: int


class EmbeddingsAnswer(BaseModel):
    """Vectors of unit length."""

    object: Literal["list"] = "list"
    data: list[Embedding]
    model: str
    usage: OpenAIUsage


class Model(BaseModel):
    """A served model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelsAnswer(BaseModel):
    """The models there are."""

    object: Literal["list"] = "list"
    data: list[Model]


class OpenAIErrorDetail(BaseModel):
    """Code and message of an error."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIErrorAnswer(BaseModel):
    """An error."""

    error: OpenAIErrorDetail

"""Schemas of the routes under /v1, in the shapes of OpenAI's API."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StrictInt

from embed_plugin.serve.api.schemas import RoleField


class EmbeddingsRequest(BaseModel):
    """Texts to encode. Fields that OpenAI's clients send besides (``user``, ...) are let through."""

    model_config = ConfigDict(extra="ignore")

    input: str | list[str] | list[int] | list[list[int]] = Field(
        description="A text or texts. Token ids are refused with 400: they belong to another model's tokenizer."
    )
    model: str = Field(description="The model's name or fingerprint; any other gets 404.")
    encoding_format: Literal["float", "base64"] = "float"
    dimensions: StrictInt | None = Field(None, description="If given, the model's own.")
    role: RoleField = "document"


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
    """The served model."""

    id: str
    object: Literal["model"] = "model"
    created: int
    owned_by: str


class ModelsAnswer(BaseModel):
    """The one model there is."""

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


def is_token_ids(value: Any) -> bool:  # noqa: ANN401 - whatever was sent as input
    """Return whether an input is token ids: numbers, or lists of them."""
    if not isinstance(value, list) or not value:
        return False
    return all(isinstance(each, int) or is_token_ids(each) for each in value)

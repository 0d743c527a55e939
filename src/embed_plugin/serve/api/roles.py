"""The role of a request to OpenAI's API, which has no field for it: other services' fields, and the model's name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, TypeAlias

from embed_plugin.serve.request_errors import RequestError

if TYPE_CHECKING:
    from embed_plugin.types import Role

InputType: TypeAlias = Literal[
    "query",
    "search_query",
    "retrieval_query",
    "retrieval.query",
    "document",
    "passage",
    "search_document",
    "retrieval_document",
    "retrieval.passage",
]
"""Words of Cohere, Voyage, NVIDIA, Jina and nomic for the two roles."""


def split_model_name(name: str, served: tuple[str, ...]) -> tuple[str, Role | None]:
    """Split ``NAME:query`` or ``NAME:document`` into name and role; a name that is served as it stands is whole."""
    base, _, role = name.rpartition(":")
    if name not in served:
        if role == "query":
            return base, "query"
        if role == "document":
            return base, "document"
    return name, None


def agreed_role(stated: dict[str, InputType | Role | None]) -> Role:
    """Return the role that the fields of a request state; document if none does.

    Args:
        stated: What each field says; None where it is not given.

    Raises:
        RequestError: they disagree.
    """
    roles = {field: _role_of(word) for field, word in stated.items() if word is not None}
    if len(set(roles.values())) > 1:
        found = " and ".join(f"{field} says {role}" for field, role in roles.items())
        raise RequestError("invalid_request", f"{found}: send one role, in one of them")
    return next(iter(roles.values()), "document")


def _role_of(word: InputType | Role) -> Role:
    return "query" if word.endswith("query") else "document"

"""The facts of a late-interaction model beyond its graph: markers, lengths, expansion, and tokens that are left out."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import TYPE_CHECKING, Any, cast

from embed_plugin.errors import ModelFolderError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from embed_plugin.types import Kind

KIND: Kind = "late-interaction"
"""The name of these facts among those of a model of several kinds."""


@dataclass(frozen=True)
class LateInteractionFacts:
    """How texts become tokens, and which of these have a vector.

    Attributes:
        query_marker: Token behind the first one of a query; None: there is no marker.
        document_marker: The same of a document; another token, or None if there is none.
        query_length: Most tokens of a query, special tokens and marker included.
        expansion: Token that fills a query up to that length, each with a vector; None: queries are not filled up.
        sees_expansion: Tokens attend to those that fill a query up.
        skipped: Tokens of a document that have no vector: punctuation.
        drops_first: The first token of a text has no vector.
    """

    query_marker: int | None
    document_marker: int | None
    query_length: int
    expansion: int | None
    sees_expansion: bool
    skipped: tuple[int, ...]
    drops_first: bool = False

    def of_manifest(self) -> dict[str, object]:
        """Return the facts as the manifest has them."""
        return {**asdict(self), "skipped": list(self.skipped)}

    @classmethod
    def read(cls, facts: Mapping[str, object]) -> LateInteractionFacts:
        """Read the facts of a manifest; those of a model of several kinds are a part of its facts.

        Raises:
            ModelFolderError: one is missing, unknown or of another type.
        """
        names, part = {field.name for field in fields(cls)}, facts.get(KIND)
        facts = part if isinstance(part, dict) else facts
        is_sound = facts.keys() == names and all(_is_sound(name, value) for name, value in facts.items())
        if not is_sound:
            found = f"the model folder's facts are {dict(facts)!r:.200}, expected {', '.join(sorted(names))}"
            raise ModelFolderError(f"{found}: make it again with  embed-plugin export")
        values = cast("dict[str, Any]", dict(facts))
        return cls(**{**values, "skipped": tuple(values["skipped"])})


def _is_sound(name: str, value: object) -> bool:
    """Tell if a fact has the type that its name asks for."""
    if name in {"sees_expansion", "drops_first"}:
        return isinstance(value, bool)
    if name == "skipped":
        return isinstance(value, list | tuple) and all(type(each) is int for each in value)
    return type(value) is int or (name != "query_length" and value is None)

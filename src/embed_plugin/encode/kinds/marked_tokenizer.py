"""Tokenise texts for late interaction: a marker behind the first token, and queries filled up to one length."""

from __future__ import annotations

from array import array
from typing import TYPE_CHECKING

from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from embed_plugin.encode.tokenizer import TextTokenizer
    from embed_plugin.model.late_interaction import LateInteractionFacts
    from embed_plugin.types import Role, TokenIds


class MarkedTokenizer:
    """A late-interaction model's tokenizer: a limit, a marker and a way to fill up for each role."""

    def __init__(self, tokenizer: TextTokenizer, facts: LateInteractionFacts, *, document_length: int) -> None:
        """Wrap a tokenizer.

        Args:
            tokenizer: The model's, of any limit.
            facts: Markers, length of queries, and expansion.
            document_length: Most tokens of a document, the marker included.

        Raises:
            InvalidInputError: a limit leaves no room for a token of a text.
        """
        lengths: dict[Role, int] = {"document": document_length, "query": facts.query_length}
        self._facts = facts
        self._markers: dict[Role, int | None] = {"document": facts.document_marker, "query": facts.query_marker}
        self._by_role = {role: tokenizer.limited(length - self._added(role)) for role, length in lengths.items()}

    def tokenise(self, texts: Sequence[str], *, role: Role, prefix: str, first_index: int) -> TokenisedTexts:
        """Put the prefix before each text, tokenise, cut, and put the marker in; fill queries up.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or has no token at all.
        """
        tokenised = self._by_role[role].tokenise(texts, prefix=prefix, first_index=first_index)
        return TokenisedTexts([self._marked(ids, role) for ids in tokenised.ids], tokenised.cut)

    def limit(self, role: Role) -> int:
        """Most tokens of a text of this role, special tokens, prefix and marker included."""
        return self._by_role[role].max_tokens + self._added(role)

    def _added(self, role: Role) -> int:
        """Tokens that are put into a text: a marker, or none."""
        return int(self._markers[role] is not None)

    def _marked(self, ids: TokenIds, role: Role) -> TokenIds:
        marker = self._markers[role]
        marked = ids if marker is None else array("i", [*ids[:1], marker, *ids[1:]])
        if role == "query" and self._facts.expansion is not None:
            marked.extend([self._facts.expansion] * (self._facts.query_length - len(marked)))
        return marked

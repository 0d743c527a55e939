"""The text that a decoder reads a query and a text in, before it says yes or no."""

from __future__ import annotations

import re
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import InvalidInputError
from embed_plugin.model.instruction import checked_instruction

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMPT = "prompt"
"""Name of the fact in the manifest."""

PROMPT_BY_CALLER = "prompt_by_caller"
"""Name of the fact that a decoder reads query and text as they are: the prompt is in them."""

INSTRUCTION, QUERY, TEXT = "{instruction}", "{query}", "{text}"
_PLACES = re.compile("|".join(map(re.escape, (INSTRUCTION, QUERY, TEXT))))


@dataclass(frozen=True)
class PairPrompt:
    """A prompt, in three parts; a long text is cut in the middle one.

    Attributes:
        before: What stands before the pair.
        pair: The pair, with ``{instruction}``, ``{query}`` and ``{text}``, the text last.
        after: What stands behind it.
        instruction: What queries are for, where a caller says nothing else; may be empty.
        given: The form of an instruction that a caller gives.
        apart: What ends with the query, what ends with the text, and what stands behind it are tokenised on their own;
            else together, where a token may hold the end of one and the beginning of the next.
        longest: Most tokens of the pair; 0: as many as the model's limit leaves.
    """

    before: str
    pair: str
    after: str
    instruction: str
    given: str = INSTRUCTION
    apart: bool = False
    longest: int = 0

    def as_facts(self) -> Mapping[str, object]:
        """Return the parts by name, for a manifest, without those that have their usual value."""
        values = ((field.name, getattr(self, field.name), field.default) for field in fields(self))
        return {name: value for name, value, usual in values if usual is MISSING or value != usual}

    def head(self, query: str, instruction: str | None) -> str:
        """Return what stands before a text in the pair.

        Raises:
            InvalidInputError: the instruction is no single line of text.
        """
        return self._filled(self.pair, query, instruction)

    def parts(self, query: str, instruction: str | None) -> tuple[str, str]:
        """Return what ends with the query, and what stands between it and the text.

        Raises:
            InvalidInputError: the instruction is no single line of text.
        """
        end = self.pair.index(QUERY) + len(QUERY)
        return self._filled(self.pair[:end], query, instruction), self.pair[end:].removesuffix(TEXT)

    def _filled(self, pattern: str, query: str, instruction: str | None) -> str:
        said = self.instruction
        if instruction is not None:
            said = self.given.replace(INSTRUCTION, checked_instruction(instruction))
        values = {INSTRUCTION: said, QUERY: query, TEXT: ""}
        return _PLACES.sub(lambda place: values[place[0]], pattern)  # in one pass: a query may hold {text}


def read_prompt(facts: Mapping[str, Any]) -> PairPrompt | None:
    """Return the prompt in a manifest's facts; None: the tokenizer joins pairs.

    Raises:
        ValueError: it is no prompt.
    """
    stated = facts.get(PROMPT)
    if stated is None:
        return None
    usual = {field.name: field.default for field in fields(PairPrompt)}
    types = {name: str if value is MISSING else type(value) for name, value in usual.items()}
    needed = {name for name, value in usual.items() if value is MISSING}
    if (
        not isinstance(stated, dict)
        or not needed <= stated.keys() <= usual.keys()
        or any(type(value) is not types[name] for name, value in stated.items())
    ):
        raise ValueError(f"prompt is {stated!r:.80}, expected the texts {', '.join(sorted(needed))}")
    return PairPrompt(**stated)


def refuse_instruction(instruction: str | None) -> None:
    """Refuse an instruction for a model that takes none.

    Raises:
        InvalidInputError: there is one.
    """
    if instruction is not None:
        raise InvalidInputError("this reranker takes no instruction, for its query stands alone: leave it out")

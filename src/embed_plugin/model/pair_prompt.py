"""The text that a decoder reads a query and a text in, before it says yes or no."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from embed_plugin.errors import InvalidInputError
from embed_plugin.model.instruction import checked_instruction

if TYPE_CHECKING:
    from collections.abc import Mapping

PROMPT = "prompt"
"""Name of the fact in the manifest."""

INSTRUCTION, QUERY, TEXT = "{instruction}", "{query}", "{text}"
_PLACES = re.compile("|".join(map(re.escape, (INSTRUCTION, QUERY, TEXT))))


@dataclass(frozen=True)
class PairPrompt:
    """A prompt, in three parts that are tokenised on their own; a long text is cut in the middle one.

    Attributes:
        before: What stands before the pair.
        pair: The pair, with ``{instruction}``, ``{query}`` and ``{text}``, the text last.
        after: What stands behind it.
        instruction: What queries are for, where a caller says nothing else.
    """

    before: str
    pair: str
    after: str
    instruction: str

    def as_facts(self) -> Mapping[str, str]:
        """Return the parts by name, for a manifest."""
        return asdict(self)

    def head(self, query: str, instruction: str | None) -> str:
        """Return what stands before a text in the pair.

        Raises:
            InvalidInputError: the instruction is no single line of text.
        """
        said = self.instruction if instruction is None else checked_instruction(instruction)
        values = {INSTRUCTION: said, QUERY: query, TEXT: ""}
        return _PLACES.sub(lambda place: values[place[0]], self.pair)  # in one pass: a query may hold {text}


def read_prompt(facts: Mapping[str, Any]) -> PairPrompt | None:
    """Return the prompt in a manifest's facts; None: the tokenizer joins pairs.

    Raises:
        ValueError: it is no prompt.
    """
    stated = facts.get(PROMPT)
    if stated is None:
        return None
    names = set(PairPrompt.__dataclass_fields__)
    if not isinstance(stated, dict) or stated.keys() != names or not all(isinstance(x, str) for x in stated.values()):
        raise ValueError(f"prompt is {stated!r:.80}, expected the texts {', '.join(sorted(names))}")
    return PairPrompt(**stated)


def refuse_instruction(instruction: str | None) -> None:
    """Refuse an instruction for a model that takes none.

    Raises:
        InvalidInputError: there is one.
    """
    if instruction is not None:
        raise InvalidInputError("this reranker takes no instruction, for its query stands alone: leave it out")

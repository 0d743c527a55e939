"""The instruction in a query prefix: some models are told in it what a query is for.

Qwen3-Embedding, e5-instruct, e5-mistral and gte-Qwen2 have ``Instruct: INSTRUCTION``, a line break and ``Query:``;
EmbeddingGemma has ``task: INSTRUCTION | query: ``. Documents have none, so every instruction searches the same vectors.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from embed_plugin.errors import InvalidInputError, InvalidTextError
from embed_plugin.texts import refuse_bad_texts

if TYPE_CHECKING:
    from embed_plugin.types import Role

_FORMS = (re.compile(r"(Instruct: )([^\n]+)(\nQuery:\s?)"), re.compile(r"(task: )([^\n|]+)( \| query: )"))


def with_instruction(prefix: str, instruction: str, role: Role) -> str:
    """Return a query prefix with another instruction in it.

    Raises:
        InvalidInputError: the texts are documents, the prefix holds no instruction, or the instruction is no single
            line of text.
    """
    if role != "query":
        raise InvalidInputError(
            "an instruction is for queries: documents have none. Encode them as queries, or leave it out"
        )
    found = next((match for form in _FORMS if (match := form.fullmatch(prefix))), None)
    if found is None:
        shown = f"its query prefix is {prefix!r}" if prefix else "it has no query prefix"
        raise InvalidInputError(
            f"this model takes no instruction ({shown}): leave it out, or export with --query-prefix"
        )
    return f"{found[1]}{checked_instruction(instruction)}{found[3]}"


def checked_instruction(instruction: str) -> str:
    """Return an instruction.

    Raises:
        InvalidInputError: it is no single line of text.
    """
    try:
        refuse_bad_texts([instruction], 0)
    except InvalidTextError as error:
        raise InvalidInputError(f"the instruction {error.problem}") from error
    if not instruction.strip() or len(instruction.splitlines()) > 1:
        raise InvalidInputError(
            f"the instruction is {instruction!r:.80}; expected one line that says what queries are for"
        )
    return instruction

"""Join queries and texts as a reranker reads them: each is tokenised once, and a pair is cut at the model's limit.

An encoder's tokenizer has a template for pairs: special tokens before, between and behind, and a segment for each
token. A token of the second segment has an id that is larger by the number of words, so that a batch is one array. A
decoder reads both in a prompt.
"""

from __future__ import annotations

from array import array
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from embed_plugin.errors import InvalidInputError, ModelFolderError
from embed_plugin.model.pair_prompt import PROMPT_BY_CALLER, read_prompt, refuse_instruction
from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from embed_plugin.encode.tokenizer import TextTokenizer
    from embed_plugin.model.pair_prompt import PairPrompt
    from embed_plugin.types import TokenIds

Pair = tuple[str, str]
"""A query and a text."""

LEAST_ROOM = 2
"""Tokens: one of the query and one of the text."""


class _Joined(NamedTuple):
    """A pair as token ids, the number of those that are unknown, and if it was cut."""

    ids: TokenIds
    unknown: int
    is_cut: bool


class PairTokenizer:
    """Turns pairs of a query and a text into token ids."""

    def __init__(self, tokenizer: TextTokenizer, facts: Mapping[str, Any]) -> None:
        """Read the template or the prompt, from a manifest's facts.

        Raises:
            ModelFolderError: the tokenizer does not join pairs, or a fact of the folder cannot be used.
        """
        self._joiner: _TemplatePairs | _PromptPairs | _ApartPairs
        try:
            prompt = read_prompt(facts)
            second = facts.get("second_segment", 0)
            if not isinstance(second, int) or second < 0:
                raise ValueError(f"second_segment is {second!r}, expected a number of words")  # noqa: TRY301
        except ValueError as error:
            raise ModelFolderError(f"the manifest's {error}: export the model again") from error
        if prompt is None:
            self._joiner = _TemplatePairs(tokenizer, second, may_touch=facts.get(PROMPT_BY_CALLER) is True)
        elif prompt.apart:
            self._joiner = _ApartPairs(tokenizer, prompt)
        else:
            self._joiner = _PromptPairs(tokenizer, prompt)

    def tokenise(
        self, pairs: Sequence[Pair], *, first_index: int = 0, instruction: str | None = None
    ) -> TokenisedTexts:
        """Tokenise pairs, whose texts have been checked. Equal queries one after another are tokenised once.

        Args:
            pairs: Queries and texts.
            first_index: The caller's index of the first pair, for error messages.
            instruction: One line that says what queries are for, where the model takes one.

        Raises:
            InvalidInputError: a query has no tokens; or there is an instruction, and the model takes none.
        """
        joined: list[_Joined] = []
        for query, group in groupby(pairs, key=itemgetter(0)):
            texts = [text for _, text in group]
            if not query.strip():
                raise InvalidInputError(f"the query of pair {first_index + len(joined)} is empty: ask for something")
            joined.extend(self._joiner.join(query, texts, instruction))
        cut = [index for index, each in enumerate(joined) if each.is_cut]
        return TokenisedTexts([each.ids for each in joined], cut, [each.unknown for each in joined])

    def count(self, pairs: Sequence[Pair], *, instruction: str | None = None) -> list[int]:
        """Count the tokens of each pair, cut at the limit."""
        return [len(ids) for ids in self.tokenise(pairs, instruction=instruction).ids]


class _TemplatePairs:
    """Joins a query and a text by the tokenizer's own template."""

    def __init__(self, tokenizer: TextTokenizer, second_segment: int, *, may_touch: bool) -> None:
        template = tokenizer.pair_template(may_touch=may_touch)
        self._tokenizer = tokenizer
        self._around = [_moved(part, segments, second_segment) for part, segments in template.special()]
        self._added = [second_segment * segment for segment in template.of_bodies]
        self._room = tokenizer.max_tokens - sum(map(len, self._around))
        if self._room < LEAST_ROOM:
            found = f"{tokenizer.max_tokens - self._room} special tokens around a pair"
            raise ModelFolderError(f"{found}, and the model takes {tokenizer.max_tokens}: export with more tokens")

    def join(self, query: str, texts: Sequence[str], instruction: str | None) -> Iterator[_Joined]:
        """Join a query with texts."""
        refuse_instruction(instruction)
        asked = self._tokenizer.bodies([query], whole=True)[0]
        if not asked:
            raise InvalidInputError(f"the query {query!r:.80} has no tokens: ask for something")
        bodies = self._tokenizer.bodies(texts, whole=len(asked) >= self._room)
        before, between, after = self._around
        for body in bodies:
            kept = longest_first(len(asked), len(body), self._room)
            first, second = asked[: kept[0]], body[: kept[1]]
            ids = before + _plus(first, self._added[0]) + between + _plus(second, self._added[1]) + after
            yield _Joined(ids, sum(self._tokenizer.count_unknown([first, second])), kept != (len(asked), len(body)))


class _PromptPairs:
    """Puts a query and a text into a decoder's prompt.

    The pair is tokenised as one string with what stands behind it, for a token may hold the last of one part and the
    first letters of the next. Prompt and query cost little beside a decoder's run.
    """

    def __init__(self, tokenizer: TextTokenizer, prompt: PairPrompt) -> None:
        self._tokenizer, self._prompt = tokenizer, prompt
        self._before, self._after = tokenizer.bodies([prompt.before, prompt.after], whole=True)
        self._room = tokenizer.max_tokens - len(self._before) - len(self._after)
        if self._room < LEAST_ROOM:
            found = f"its prompt has {tokenizer.max_tokens - self._room} tokens"
            raise ModelFolderError(f"{found}, and the model takes {tokenizer.max_tokens}: export with more tokens")

    def join(self, query: str, texts: Sequence[str], instruction: str | None) -> Iterator[_Joined]:
        """Join a query with texts; where that is too long, what stands behind the pair is put behind what is left."""
        head, limit = self._prompt.head(query, instruction), self._tokenizer.max_tokens
        for body in self._tokenizer.bodies([text + self._prompt.after for text in texts], prefix=head):
            length = len(self._before) + len(body)
            ids = body if length < limit else body[: self._room] + self._after
            yield _Joined(self._before + ids, sum(self._tokenizer.count_unknown([ids])), length > limit)


class _ApartPairs:
    """Puts a query and a text into a decoder's prompt whose parts are tokenised on their own.

    A query has at most three quarters of the room, and the text what the query leaves.
    """

    def __init__(self, tokenizer: TextTokenizer, prompt: PairPrompt) -> None:
        self._tokenizer, self._prompt = tokenizer, prompt
        self._before, self._after = tokenizer.bodies([prompt.before, prompt.after], whole=True)
        room = tokenizer.max_tokens - len(self._before) - len(self._after)
        self._room = min(room, prompt.longest or room)
        if self._room < LEAST_ROOM:
            found = f"its prompt has {tokenizer.max_tokens - room} tokens"
            raise ModelFolderError(f"{found}, and the model takes {tokenizer.max_tokens}: export with more tokens")

    def join(self, query: str, texts: Sequence[str], instruction: str | None) -> Iterator[_Joined]:
        """Join a query with texts."""
        first, between = self._prompt.parts(query, instruction)
        whole = self._tokenizer.bodies([first], whole=True)[0]
        asked = whole[: self._room * 3 // 4]
        for body in self._tokenizer.bodies(texts, prefix=between):
            kept = body[: self._room - len(asked)]
            is_cut = len(kept) < len(body) or len(asked) < len(whole)
            unknown = sum(self._tokenizer.count_unknown([asked, kept]))
            yield _Joined(self._before + asked + kept + self._after, unknown, is_cut)


def longest_first(first: int, second: int, room: int) -> tuple[int, int]:
    """Return how many tokens of two texts are kept, so that both have room: the longer one is cut first.

    Where both are longer than half of the room, each has half, and the longer one the odd token; of equally long ones
    the second. That is the rule ``longest_first`` of the library tokenizers.
    """
    if first + second <= room:
        return first, second
    shorter = min(first, second)
    kept = (shorter, max(shorter, room - shorter))
    if sum(kept) > room:
        kept = (room // 2, room - room // 2)
    return kept if first <= second else (kept[1], kept[0])


def _moved(ids: TokenIds, segments: Sequence[int], second_segment: int) -> TokenIds:
    return array("i", [token + second_segment * segment for token, segment in zip(ids, segments, strict=True)])


def _plus(ids: TokenIds, added: int) -> TokenIds:
    """Add a number to all ids."""
    return array("i", (np.asarray(ids, np.int32) + added).tobytes()) if added else ids

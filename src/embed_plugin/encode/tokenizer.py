"""Tokenise texts and cut them at the model's limit. The only module of the encode path that uses tokenizers."""

from __future__ import annotations

from array import array
from copy import copy
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, TypeVar

import numpy as np
from tokenizers import Tokenizer, models, processors

from embed_plugin.errors import InvalidInputError, InvalidTextError, ModelFolderError
from embed_plugin.texts import refuse_bad_texts
from embed_plugin.types import TokenisedTexts

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

    import numpy.typing as npt
    from tokenizers import Encoding

    from embed_plugin.types import TokenIds

    Segmented = tuple[TokenIds, list[int]]

Text = TypeVar("Text")
Encoded = TypeVar("Encoded")

TEXTS_PER_CALL = 64
"""Texts given to tokenizers in one call: its result is large (offsets, words, masks) until the ids are taken out."""

CHARACTERS_PER_CALL = 1_000_000
"""Characters at which a call is full too: a token takes some 300 bytes until then, and a Chinese character is one token
or more."""

HEAD_CHARACTERS_PER_TOKEN = 32
"""Of a text longer than this times the limit, a head is tokenised first, as its tail would be cut anyway. English has 4
to 5 characters a token."""

UNSETTLED_CHARACTERS = 64
"""Characters at the end of a head whose tokens may depend on the text behind it: it may continue their word, compose
with them, or complete a special token."""

LONGEST_PIECE = 64
"""Longest vocabulary entry, in characters, for which heads of a Unigram tokenizer are compared: one more head for each
character. SentencePiece makes entries of at most 16."""


@dataclass(frozen=True)
class PairTemplate:
    """The special tokens around a query and a text.

    Attributes:
        before: In front of the query, with the segment of each, 0 or 1.
        between: Behind the query and in front of the text.
        after: Behind the text.
        of_bodies: The segments of the query and of the text.
    """

    before: Segmented
    between: Segmented
    after: Segmented
    of_bodies: tuple[int, int]

    def special(self) -> tuple[Segmented, Segmented, Segmented]:
        """Return the three parts in order."""
        return self.before, self.between, self.after


class TextTokenizer:
    """A model's tokenizer, without the truncation and padding that ``tokenizer.json`` may contain."""

    def __init__(self, path: Path, *, max_tokens: int, special_tokens: bool = True) -> None:
        """Read a tokenizer.

        Args:
            path: The file.
            max_tokens: Token limit of one text.
            special_tokens: Put the model's special tokens around each text.

        Raises:
            ModelFolderError: the file cannot be read, or a text has no more tokens than its special ones.
        """
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
            self._tokenizer.no_truncation()
            self._tokenizer.no_padding()
            if not special_tokens:
                self._tokenizer.post_processor = processors.Sequence([])
            empty, full = (self._tokenizer.encode(text).ids for text in ("", "a"))
        except Exception as error:  # tokenizers raises Exception itself
            raise ModelFolderError(f"{path} is not a readable tokenizer ({error}); export the model again") from error
        self.max_tokens = max_tokens
        leading = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(empty, full, strict=False)))
        self._leading, self._trailing = leading, len(empty) - leading
        if len(empty) >= max_tokens:
            raise ModelFolderError(
                f"{path} puts {len(empty)} special tokens around a text, and the model takes {max_tokens} tokens: "
                "export the model again with a larger --max-tokens"
            )
        added = self._tokenizer.get_added_tokens_decoder().values()
        self._unsettled = UNSETTLED_CHARACTERS + max((len(token.content) for token in added), default=0)

    def token(self, index: int) -> str:
        """Return the token of an id; of an id that none has, the id in angle brackets."""
        return str(self._tokenizer.id_to_token(index) or f"<{index}>")

    def to_json(self) -> str:
        """Return the tokenizer as JSON, without truncation and padding."""
        return str(self._tokenizer.to_str())

    def limited(self, max_tokens: int) -> TextTokenizer:
        """Return the same tokenizer with a lower limit; the vocabulary is in memory once.

        Raises:
            InvalidInputError: the limit leaves no room for a token of a text.
        """
        if max_tokens <= self.special_tokens:
            found = f"a limit of {max_tokens} tokens leaves no room beside {self.special_tokens} special ones"
            raise InvalidInputError(f"{found}: export the model again with a larger one")
        other = copy(self)
        other.max_tokens = max_tokens
        return other

    @property
    def special_tokens(self) -> int:
        """Number of tokens that are put around a text."""
        return len(self._encode([""], "")[0])

    def token_id(self, token: str) -> int | None:
        """Return the id of a token as the vocabulary has it; None: it has no such token."""
        found: int | None = self._tokenizer.token_to_id(token)
        return found

    @cached_property
    def unknown_id(self) -> int | None:
        """Id of the token for text that is not in the vocabulary; None where there is none, as with byte-level BPE."""
        try:
            tokens = self._tokenizer.model.tokenize("\U0010fffe")  # a noncharacter, so in no vocabulary
        except Exception:  # noqa: BLE001 - tokenizers raises Exception where the vocabulary lacks the named unknown token
            return None
        return tokens[0].id if len(tokens) == 1 else None

    def count_unknown(self, ids: Sequence[TokenIds]) -> list[int]:
        """Count, for each text, the tokens that stand for text outside the vocabulary."""
        if self.unknown_id is None:
            return [0] * len(ids)
        return [int(np.count_nonzero(np.asarray(tokens) == self.unknown_id)) for tokens in ids]

    def count(self, texts: Sequence[str], *, prefix: str | Sequence[str]) -> npt.NDArray[np.int64]:
        """Count the tokens of each text, special tokens and prefix included. Texts of any length are tokenised whole.

        Args:
            texts: The texts.
            prefix: Put before each text, or one for each.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        refuse_bad_texts(texts, 0)
        return np.array([len(encoding.ids) for encoding in self._encodings(texts, prefix)], dtype=np.int64)

    def count_unknown_in(self, texts: Sequence[str], *, prefix: str) -> npt.NDArray[np.int64]:
        """Count, for each text, those tokens of :meth:`count` that stand for text outside the vocabulary."""
        refuse_bad_texts(texts, 0)
        return np.array(self.count_unknown(self._encode(texts, prefix)), dtype=np.int64)

    def tokenise(self, texts: Sequence[str], *, prefix: str | Sequence[str], first_index: int) -> TokenisedTexts:
        """Put the prefix before each text, tokenise, and cut at the limit.

        Args:
            texts: The texts.
            prefix: Put before each text, verbatim; or one for each.
            first_index: The caller's index of the first text, for error messages.

        Raises:
            InvalidTextError: a text is not a str, holds a lone surrogate, or has no token at all.
        """
        refuse_bad_texts(texts, first_index)
        ids = self._ids_of(texts, prefix)
        cut = [index for index, tokens in enumerate(ids) if len(tokens) > self.max_tokens]
        for index in cut:
            tokens = ids[index]
            ids[index] = tokens[: self.max_tokens - self._trailing] + tokens[len(tokens) - self._trailing :]
        for index, tokens in enumerate(ids, first_index):
            if not tokens:
                raise InvalidTextError(index, "has no tokens, so it has no vector: leave it out")
        return TokenisedTexts(ids, cut)

    def _ids_of(self, texts: Sequence[str], prefix: str | Sequence[str]) -> list[TokenIds]:
        """Tokenise texts, of long ones no more than is needed to have more tokens than the limit."""
        long = {index for index, text in enumerate(texts) if len(text) > self._head_length}
        ids = self._encode(["" if index in long else text for index, text in enumerate(texts)], prefix)
        for index in long:
            ids[index] = self._encode_long(texts[index], prefix if isinstance(prefix, str) else prefix[index])
        return ids

    def bodies(self, texts: Sequence[str], *, prefix: str = "", whole: bool = False) -> list[TokenIds]:
        """Tokenise texts without special tokens around them, to be joined with others.

        Args:
            texts: The texts; they have been checked.
            prefix: Put before each text, verbatim.
            whole: Tokenise long texts whole; else no more of them than is needed to have as many tokens as the limit
                leaves beside the special ones.
        """
        found = self._encode(texts, prefix) if whole else self._ids_of(texts, prefix)
        return [ids[self._leading : len(ids) - self._trailing] for ids in found]

    def pair_template(self, *, may_touch: bool = False) -> PairTemplate:
        """Return the special tokens around a query and a text, read from a pair that is tokenised.

        Args:
            may_touch: There need be none between the two.

        Raises:
            ModelFolderError: the tokenizer puts nothing between the two, or the text first.
        """
        pair = self._tokenizer.encode("a", "a")
        sides = pair.sequence_ids
        if 0 not in sides or 1 not in sides or sides.index(1) < sides.index(0):
            raise ModelFolderError("the tokenizer does not join a pair as query and text: give another reranker")
        ends = [len(sides) - sides[::-1].index(side) for side in (0, 1)]
        query, text = sides.index(0), sides.index(1)
        if ends[0] == text and not may_touch:
            raise ModelFolderError("the tokenizer puts nothing between a query and a text: give another reranker")
        before, between, after = (
            (array("i", pair.ids[part]), pair.type_ids[part])
            for part in (slice(0, query), slice(ends[0], text), slice(ends[1], None))
        )
        return PairTemplate(before, between, after, (pair.type_ids[query], pair.type_ids[text]))

    @property
    def _head_length(self) -> int:
        return HEAD_CHARACTERS_PER_TOKEN * self.max_tokens

    def _encode_long(self, text: str, prefix: str) -> TokenIds:
        """Tokenise only a head of the text that has more tokens than the limit, so that 10 MB cost no more than 10 kB.

        The tokens kept are equal to those of the whole text. Heads are tried in this order: one that ends before white
        space, where WordPiece, Unigram and byte-level BPE start a new word; one whose last words are dropped; with
        Unigram, heads that agree. A text that is a single word is tokenised whole by any other model.
        """
        length = self._head_length
        while length < len(text):
            for ids in self._heads(text, prefix, length):
                if len(ids) > self.max_tokens:
                    return ids
            length *= 16
        return self._encode([text], prefix)[0]

    def _heads(self, text: str, prefix: str, length: int) -> Iterator[TokenIds]:
        ends = range(length, length - self._head_length, -1)
        end = next((at for at in ends if text[at].isspace() and not text[at - 1].isspace()), 0)
        yield self._encode([text[:end]], prefix)[0] if end else array("i")
        yield self._settled_head(prefix + text[:length])
        if isinstance(self._tokenizer.model, models.Unigram):
            yield self._agreed_head(text, prefix, length // 8)
            yield self._agreed_head(text, prefix, length)

    def _agreed_head(self, text: str, prefix: str, length: int) -> TokenIds:
        """Return the token ids of a head of one word if every head that ends a little earlier agrees, else none.

        Unigram takes the best path through a word. Any path has a border within each stretch as long as the longest
        piece, and up to that border the best path is the one of the head that ends there (Viterbi).
        """
        if self._longest_piece > min(length, LONGEST_PIECE):
            return array("i")
        heads = [prefix + text[:end] for end in range(length - self._longest_piece, length + 1)]
        if not self._grow_by_one(heads):
            return array("i")
        ids = self._encode(heads, "")
        kept = {ids_of_head[: self.max_tokens - self._trailing].tobytes() for ids_of_head in ids}
        return min(ids, key=len) if len(kept) == 1 else array("i")

    def _grow_by_one(self, heads: list[str]) -> bool:
        """Return True if each head, normalised, is the next one without its last character."""
        normaliser = self._tokenizer.normalizer
        normal = [normaliser.normalize_str(head) for head in heads] if normaliser else heads
        return all(head == after[:-1] for head, after in pairwise(normal))

    @cached_property
    def _longest_piece(self) -> int:
        return max(map(len, self._tokenizer.get_vocab(with_added_tokens=False)))

    def _settled_head(self, head: str) -> TokenIds:
        """Return a head's token ids without its last words, special tokens included: no text behind changes them."""
        encoding = self._translated(self._tokenizer.encode, head)
        ends, words = [end for _, end in encoding.offsets], encoding.word_ids
        body = last = len(ends) - self._trailing
        while body and ends[body - 1] > len(head) - self._unsettled:
            body -= 1
        unsettled = words[min(body, last - 1)] if last else None
        while body and words[body - 1] == unsettled:
            body -= 1
        return array("i", encoding.ids[:body] + encoding.ids[last:])

    def _encode(self, texts: Sequence[str], prefix: str | Sequence[str]) -> list[TokenIds]:
        return [array("i", encoding.ids) for encoding in self._encodings(texts, prefix)]

    def _encodings(self, texts: Sequence[str], prefix: str | Sequence[str]) -> Iterator[Encoding]:
        for part in _parts(_prefixed(texts, prefix)):
            yield from self._translated(self._tokenizer.encode_batch_fast, part)

    @staticmethod
    def _translated(encode: Callable[[Text], Encoded], text: Text) -> Encoded:
        try:
            return encode(text)
        except Exception as error:  # tokenizers raises Exception itself
            raise InvalidInputError(f"the tokenizer refused the texts: {error}") from error


def _prefixed(texts: Sequence[str], prefix: str | Sequence[str]) -> Sequence[str]:
    if isinstance(prefix, str):
        return [prefix + text for text in texts] if prefix else texts
    return [one + text for one, text in zip(prefix, texts, strict=True)]


def _parts(texts: Sequence[str]) -> Iterator[list[str]]:
    part: list[str] = []
    characters = 0
    for text in texts:
        part.append(text)
        characters += len(text)
        if len(part) == TEXTS_PER_CALL or characters >= CHARACTERS_PER_CALL:
            yield part
            part, characters = [], 0
    if part:
        yield part

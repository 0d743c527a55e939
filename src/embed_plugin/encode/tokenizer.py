"""Texts to token ids, cut at the model's limit. The encode path's only use of tokenizers."""

from __future__ import annotations

from array import array
from itertools import takewhile
from typing import TYPE_CHECKING

import numpy as np
from tokenizers import Tokenizer

from embed_plugin.contracts import TokenisedTexts
from embed_plugin.errors import InvalidInputError, InvalidTextError, ModelFolderError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import numpy.typing as npt

    from embed_plugin.contracts import TokenIds

SLICE_TEXTS = 64
"""Texts given to tokenizers at once: what it returns is large (offsets, words, masks) until the ids are taken out."""

HEAD_CHARACTERS_PER_TOKEN = 32
"""A longer text is tokenised by its head first: its tail would be cut anyway. English has 4 to 5 a token."""


class TextTokenizer:
    """A model's tokenizer, free of the truncation and padding that ``tokenizer.json`` may carry."""

    def __init__(self, path: Path, *, max_tokens: int) -> None:
        try:
            self._tokenizer = Tokenizer.from_file(str(path))
        except Exception as error:  # tokenizers raises Exception itself
            raise ModelFolderError(f"{path} is not a readable tokenizer ({error}); export the model again") from error
        self._tokenizer.no_truncation()
        self._tokenizer.no_padding()
        self.max_tokens = max_tokens
        self._trailing = self._trailing_special_tokens()

    def _trailing_special_tokens(self) -> int:
        """Special tokens the template puts after a text ([SEP] for BERT): what a cut text must still end with."""
        empty, full = (self._tokenizer.encode(text).ids for text in ("", "a"))
        leading = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(empty, full, strict=False)))
        return len(empty) - leading

    def to_json(self) -> str:
        """The tokenizer as JSON, without truncation and padding."""
        return str(self._tokenizer.to_str())

    def count(self, texts: Sequence[str], *, prefix: str) -> npt.NDArray[np.int64]:
        """Tokens of each text, special tokens and prefix included, not cut."""
        return np.array([len(ids) for ids in self._encode(texts, prefix, 0)], dtype=np.int64)

    def tokenise(self, texts: Sequence[str], *, prefix: str, first_index: int) -> TokenisedTexts:
        """Put the prefix before each text, tokenise, and cut at the limit.

        Args:
            texts: The texts.
            prefix: Put before each text, verbatim.
            first_index: The caller's index of the first text, for error messages.

        Raises:
            InvalidTextError: a text is not a str, or holds a lone surrogate.
        """
        long = {index for index, text in enumerate(texts) if _is_longer(text, self._head_length)}
        ids = self._encode(["" if index in long else text for index, text in enumerate(texts)], prefix, first_index)
        for index in long:
            ids[index] = self._encode_long(texts[index], prefix, first_index + index)
        cut = [index for index, tokens in enumerate(ids) if len(tokens) > self.max_tokens]
        for index in cut:
            tokens = ids[index]
            ids[index] = tokens[: self.max_tokens - self._trailing] + tokens[len(tokens) - self._trailing :]
        return TokenisedTexts(ids, cut)

    @property
    def _head_length(self) -> int:
        return HEAD_CHARACTERS_PER_TOKEN * self.max_tokens

    def _encode_long(self, text: str, prefix: str, index: int) -> TokenIds:
        """Tokenise a head of the text that has more tokens than the limit, so that 10 MB cost no more than 10 kB.

        Heads end before white space, where WordPiece, Unigram and byte-level BPE start a new word: the tokens kept
        are those of the whole text.
        """
        length = self._head_length
        while length < len(text):
            end = next((at for at in range(length, 0, -1) if text[at].isspace() and not text[at - 1].isspace()), 0)
            ids = self._encode([text[:end]], prefix, index)[0]
            if end and len(ids) > self.max_tokens:
                return ids
            length *= 4
        return self._encode([text], prefix, index)[0]

    def _encode(self, texts: Sequence[str], prefix: str, first_index: int) -> list[TokenIds]:
        try:
            prefixed = [prefix + text for text in texts] if prefix else list(texts)
            slices = (prefixed[first : first + SLICE_TEXTS] for first in range(0, len(prefixed), SLICE_TEXTS))
            encodings = (encoding for part in slices for encoding in self._tokenizer.encode_batch_fast(part))
            return [array("i", encoding.ids) for encoding in encodings]
        except (TypeError, ValueError) as error:
            refuse_bad_text(texts, first_index)
            raise InvalidInputError(f"the tokenizer refused the texts: {error}") from error


def _is_longer(text: object, characters: int) -> bool:
    """Whether it is a text of more characters; what is no text is refused where it is tokenised."""
    return isinstance(text, str) and len(text) > characters


def refuse_bad_text(texts: Sequence[object], first_index: int) -> None:
    """Find the text that cannot be tokenised, or sent.

    Raises:
        InvalidTextError: a text is not a str, or holds a lone surrogate.
    """
    for index, text in enumerate(texts, first_index):
        if not isinstance(text, str):
            raise InvalidTextError(index, f"is a {type(text).__name__}; expected a str")
        try:
            text.encode()
        except UnicodeEncodeError as error:
            found = f"holds a lone surrogate (U+{ord(text[error.start]):04X} at character {error.start})"
            raise InvalidTextError(index, f"{found}: decode it with errors='replace'") from None

"""Token ids of texts and batches of them, for contenders that a loop of this benchmark runs."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tokenizers import Tokenizer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Tokeniser:
    """The checkpoint's tokenizer with the checkpoint's token limit, without padding."""

    def __init__(self, checkpoint: Path) -> None:
        limits = json.loads((checkpoint / "sentence_bert_config.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(checkpoint / "tokenizer.json"))
        self.tokenizer.no_padding()
        self.tokenizer.enable_truncation(limits["max_seq_length"])

    def ids(self, texts: list[str]) -> list[list[int]]:
        """Token ids of each text."""
        return [encoding.ids for encoding in self.tokenizer.encode_batch_fast(texts)]


def fill_batches(lengths: Sequence[int], token_budget: int, most_texts: int) -> list[list[int]]:
    """Rows of each batch, in the order they come; a text longer than the budget has a batch of its own.

    Args:
        lengths: Tokens of each text.
        token_budget: Most tokens of a batch.
        most_texts: Most texts of a batch.
    """
    batches: list[list[int]] = []
    filled = 0
    for row, length in enumerate(lengths):
        if not batches or filled + length > token_budget or len(batches[-1]) == most_texts:
            batches.append([])
            filled = 0
        batches[-1].append(row)
        filled += length
    return batches

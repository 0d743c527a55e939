"""The pairs whose token ids and scores are compared: of many lengths, so that either side or both are cut."""

from __future__ import annotations

from export.references.texts import SCRIPTS

POSITIONS = 64
"""Token limit of every small reranker."""

LENGTHS = (1, 12, 26, 27, 28, 29, 30, 31, 32, 33, 45, 59, 60, 61, 62, 63, 64, 65, 90)
"""Words of queries and texts: half of the limit and all of it, with a few tokens more or less."""


def _words(count: int) -> str:
    return " ".join(("red", "blue", "cat", "dog")[index % 4] for index in range(count))


LONG_PAIRS = tuple((_words(first), _words(second)) for first in LENGTHS for second in LENGTHS[::3])
PAIRS = (
    ("What does the fox do?", SCRIPTS[0]),
    ("What does the fox do?", ""),
    ("What does the fox do?", " "),
    ("a", "a"),
    *(("the quick fox", text) for text in SCRIPTS),
    ("naïve café", "  spaces before, and behind \t\n"),
    ("literal [SEP] and </s>", "[CLS] a <s> [SEP] b <|im_end|> [PAD]"),
    ("{text} and {query}", "{instruction} {text}"),
    *LONG_PAIRS[::2],
    ("the fox", _words(40) + " end. " + _words(700)),
)

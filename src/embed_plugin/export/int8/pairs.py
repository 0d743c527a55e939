"""Pairs of queries and texts, for the calibration and the comparison of a reranker: near ones and far ones by turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from embed_plugin.export.int8.texts import QUERY_KINDS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    Pairs = list[tuple[str, str]]

WORDS_OF_A_QUERY = 8
CHARACTERS_OF_A_QUERY = 60
"""A query made of a text ends here: some scripts have no spaces between words."""


def pairs_by_kind(texts: Mapping[str, Sequence[str]]) -> dict[str, Pairs]:
    """Pair the texts of each kind with queries.

    Every second text has its own first words as its query, and is near to it; the others have a query of another kind
    of text, and are far. A reranker that sees far pairs alone shows one end of its scores.

    Args:
        texts: Texts by kind; the kinds of queries give queries, and where there are none, the texts themselves do.
    """
    queries = [query for kind, each in texts.items() if kind in QUERY_KINDS for query in each]
    kinds = {kind: each for kind, each in texts.items() if kind not in QUERY_KINDS} or dict(texts)
    queries = queries or [_first_words(text) for each in kinds.values() for text in each[::-1]]
    paired = {}
    for kind, each in kinds.items():
        paired[kind] = [
            (_first_words(text) if index % 2 else queries[index // 2 % len(queries)], text)
            for index, text in enumerate(each)
        ]
    return {kind: [pair for pair in each if pair[0].strip()] for kind, each in paired.items()}


def _first_words(text: str) -> str:
    return " ".join(text.split()[:WORDS_OF_A_QUERY])[:CHARACTERS_OF_A_QUERY]

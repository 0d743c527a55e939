from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import qdrant_edge
from hypothesis import given
from hypothesis import strategies as st

from embed_plugin.ingest.stores.qdrant.bm25 import Bm25

BM25 = Bm25()
TEXTS = [
    "The quick brown foxes jumped over 12 lazy dogs' beds, quickly!",
    "e-mail user_name can't won't naïve C++ 3.14 1,000 the_cat",
    "STRAẞE straße ΑΣ İstanbul x² ½ №5 日本語 हिन्दी O'Neil don’t",
    "שָׁלוֹם مَرْحَبًا สวัสดี 안녕하세요",
    "relational relationship running ran runs generously generate generic sky skies dying",
    "",
    "the of and",
]


@pytest.mark.parametrize("text", TEXTS)
def test_a_document_has_the_vector_that_qdrant_makes_of_it(text: str) -> None:
    ours, theirs = BM25.document(text), qdrant_edge.Bm25().embed_document(text)
    expected = dict(zip(theirs.indices, theirs.values, strict=True))
    assert dict(zip(*ours, strict=True)) == pytest.approx(expected, rel=1e-6)


@given(st.text(st.characters(max_codepoint=0x24F), max_size=60))
def test_a_query_has_the_words_that_qdrant_finds_in_it(text: str) -> None:
    theirs = qdrant_edge.Bm25().embed_query(text)
    assert BM25.query(text) == (sorted(theirs.indices), [1.0] * len(theirs.indices))


def test_a_repeated_word_weighs_more_but_less_each_time() -> None:
    (fox,), _ = BM25.query("fox")
    texts = [" ".join(["fox"] * times + ["hen"] * 9) for times in (1, 2, 3)]
    once, twice, thrice = (dict(zip(*BM25.document(text), strict=True))[fox] for text in texts)
    assert once < twice < thrice < 2 * once


def test_threads_stem_the_words_they_were_given() -> None:
    texts = [f"running{number} jumping{number} generously{number}s" for number in range(400)]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(Bm25().document, texts)) == [BM25.document(text) for text in texts]

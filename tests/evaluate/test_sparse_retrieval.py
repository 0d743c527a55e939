from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import RecordError, SparseVector
from embed_plugin.evaluate import Document, evaluate_sparse_retrieval, read_retrieval_dataset, search_sparse_corpus
from embed_plugin.evaluate.retrieval import BLOCK_DOCUMENTS
from embed_plugin.evaluate.sparse_retrieval import InvertedLists
from embed_plugin.testing import FakeSparseEncoder

if TYPE_CHECKING:
    from pathlib import Path

WORDS = "cat dog mat tree house water fire file line text".split()  # noqa: SIM905 - shorter so


def documents(count: int) -> list[Document]:
    drawn = np.random.default_rng(1).choice(WORDS, (count, 6))
    return [Document(f"d{index}", " ".join(words)) for index, words in enumerate(drawn)]


def test_found_documents_are_those_of_every_dot_product() -> None:
    encoder, corpus = FakeSparseEncoder(), documents(BLOCK_DOCUMENTS + 50)  # two blocks
    queries = {"q1": "cat dog", "q2": "water", "q3": "nothing shared"}
    run = search_sparse_corpus(encoder, queries, corpus, depth=7)
    vectors = dict(
        zip((each.id for each in corpus), encoder.encode_documents([each.text for each in corpus]), strict=True)
    )
    for query, text in queries.items():
        vector = encoder.encode_queries([text])[0]
        scored = [(float(np.float32(vector.dot(other))), id_) for id_, other in vectors.items()]
        expected = sorted((each for each in scored if each[0] > 0), reverse=True)[:7]
        assert run[query] == [(id_, score) for score, id_ in expected]
    assert run["q3"] == []


def test_each_query_and_the_means_are_scored(beir: Path) -> None:
    progress: list[int] = []
    result = evaluate_sparse_retrieval(FakeSparseEncoder(), read_retrieval_dataset(beir), on_progress=progress.append)
    assert result.per_query["q1"]["mrr@10"] == 1.0
    assert set(result.per_query["q3"].values()) == {0.0}
    assert (result.documents, result.missing_documents, result.first_ten["q3"]) == (12, 1, ())
    assert progress == list(range(1, 13))


def test_a_query_is_not_found_by_itself() -> None:
    run = search_sparse_corpus(FakeSparseEncoder(), {"d1": "cat"}, [Document("d1", "cat"), Document("d2", "cat dog")])
    assert [id_ for id_, _ in run["d1"]] == ["d2"]


def test_a_document_id_that_occurs_twice_is_refused() -> None:
    with pytest.raises(RecordError, match="the document id 'd1' more than once"):
        search_sparse_corpus(FakeSparseEncoder(), {"q": "cat"}, [Document("d1", "cat"), Document("d1", "cat dog")])


def test_documents_without_words_have_no_score() -> None:
    empty = SparseVector(np.zeros(0, np.int32), np.zeros(0, np.float32))
    one = SparseVector(np.array([3], np.int32), np.array([2], np.float32))
    assert InvertedLists([empty, one, empty]).scores(one).tolist() == [0.0, 4.0, 0.0]
    assert InvertedLists([empty]).scores(empty).tolist() == [0.0]

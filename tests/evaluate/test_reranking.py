from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from embed_plugin import InvalidInputError, RecordError
from embed_plugin.evaluate import (
    FusedModels,
    evaluate_late_interaction,
    evaluate_max_sim_of,
    evaluate_reranker,
    find_candidates,
    read_retrieval_dataset,
    search_by_max_sim,
    search_corpus,
    search_fused,
)
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder, FakeReranker

if TYPE_CHECKING:
    from pathlib import Path


def test_words_find_the_candidates(beir: Path) -> None:
    found = find_candidates(read_retrieval_dataset(beir), depth=3)
    assert found.run["q1"][0][0] == "d1"
    assert {query: len(documents) for query, documents in found.run.items()} == {"q1": 3, "q2": 3, "q3": 0}
    assert (found.documents, found.missing_documents, found.pairs) == (12, 1, 6)
    assert found.texts["d1"] == "Title text 1"


def test_a_model_finds_them_too(beir: Path) -> None:
    dataset, encoder = read_retrieval_dataset(beir), FakeEncoder()
    found = find_candidates(dataset, encoder, depth=5)
    assert found.run == search_corpus(encoder, dataset.queries, dataset.documents(), depth=5)
    assert found.first_stage(dataset).means["mrr@10"] == pytest.approx(2 / 3)


def test_a_reranker_orders_what_was_found_and_finds_nothing_else(beir: Path) -> None:
    dataset, reranker, done = read_retrieval_dataset(beir), FakeReranker(), list[int]()
    candidates = find_candidates(dataset, FakeEncoder(), depth=12)
    result = evaluate_reranker(reranker, dataset, candidates, on_progress=done.append)
    assert result.first_ten["q1"][0] == "d1"
    assert done[-1] == candidates.pairs == len(reranker.scored)
    few = evaluate_reranker(reranker, dataset, find_candidates(dataset, depth=1))
    assert [len(found) for found in few.first_ten.values()] == [1, 1, 0]


def test_a_document_with_the_querys_id_is_no_candidate(beir: Path) -> None:
    (beir / "corpus.jsonl").write_text(json.dumps({"_id": "q1", "text": "Title text 1"}) + "\n")
    assert find_candidates(read_retrieval_dataset(beir)).run["q1"] == []


@pytest.mark.parametrize(
    ("corpus", "said"),
    [("", "has no documents"), ('{"_id": "d", "text": "a"}\n' * 2, "the document id 'd' more than once")],
)
def test_a_corpus_that_cannot_be_searched_is_refused(beir: Path, corpus: str, said: str) -> None:
    (beir / "corpus.jsonl").write_text(corpus)
    with pytest.raises(RecordError, match=said):
        find_candidates(read_retrieval_dataset(beir))


def test_no_candidates_are_wrong_input(beir: Path) -> None:
    with pytest.raises(InvalidInputError, match="0 candidates"):
        find_candidates(read_retrieval_dataset(beir), depth=0)


def test_fused_rankings_find_the_candidates(beir: Path) -> None:
    dataset, models = read_retrieval_dataset(beir), FusedModels(FakeEncoder(), late=FakeLateInteractionEncoder(8))
    assert find_candidates(dataset, models, depth=4).run == search_fused(models, dataset, depth=4)


def test_token_vectors_rank_the_candidates_as_they_rank_everything(beir: Path) -> None:
    dataset, late, done = read_retrieval_dataset(beir), FakeLateInteractionEncoder(8), list[int]()
    every = search_by_max_sim(late, dataset.queries, dataset.documents())
    candidates = find_candidates(dataset, FakeEncoder(), depth=4)
    result = evaluate_max_sim_of(late, dataset, candidates, on_progress=done.append)
    for query, found in candidates.run.items():
        wanted = {document for document, _ in found}
        assert list(result.first_ten[query]) == [document for document, _ in every[query] if document in wanted]
    assert done == list(range(1, len(candidates.texts) + 1))
    whole = evaluate_max_sim_of(late, dataset, find_candidates(dataset, FakeEncoder(), depth=12))
    assert whole.means == evaluate_late_interaction(late, dataset).means

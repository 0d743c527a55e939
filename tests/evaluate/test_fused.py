from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import Bm25Encoder, InvalidInputError, RecordError
from embed_plugin.evaluate import (
    FusedModels,
    evaluate_fused,
    evaluate_retrieval,
    evaluate_sparse_retrieval,
    fuse_runs,
    read_retrieval_dataset,
    search_by_max_sim,
    search_corpus,
    search_fused,
    search_sparse_corpus,
)
from embed_plugin.evaluate.fused import WithRarity
from embed_plugin.testing import FakeEncoder, FakeLateInteractionEncoder, FakeSparseEncoder

if TYPE_CHECKING:
    from pathlib import Path

DENSE, SPARSE, LATE = FakeEncoder(), FakeSparseEncoder(), FakeLateInteractionEncoder(8)


def test_runs_are_fused_as_a_search_fuses_rankings() -> None:
    runs = {"dense": {"q": [("a", 0.9), ("b", 0.8)]}, "late": {"q": [("b", 3.0), ("c", 2.0)]}}
    assert fuse_runs(runs)["q"] == [("b", 1 / 11 + 1 / 10), ("a", 1 / 10), ("c", 1 / 11)]
    assert [id_ for id_, _ in fuse_runs(runs, weights=[1, 0.05], depth=2)["q"]] == ["a", "b"]


def test_of_equal_scores_the_larger_id_is_first_as_metrics_have_it() -> None:
    runs = {"dense": {"q": [("a", 0.9)]}, "late": {"q": [("b", 3.0)]}}
    assert [id_ for id_, _ in fuse_runs(runs)["q"]] == ["b", "a"]


def test_every_model_has_its_ranking(beir: Path) -> None:
    dataset, progress = read_retrieval_dataset(beir), list[int]()
    models = FusedModels(DENSE, sparse=SPARSE, late=LATE, weights=[1, 0.5, 2])
    alone = {
        "dense": search_corpus(DENSE, dataset.queries, dataset.documents(), depth=5),
        "sparse": search_sparse_corpus(SPARSE, dataset.queries, dataset.documents(), depth=5),
        "late": search_by_max_sim(LATE, dataset.queries, dataset.documents(), depth=5),
    }
    assert models.names == list(alone)
    found = search_fused(models, dataset, depth=5, on_progress=progress.append)
    assert found == fuse_runs(alone, weights=[1, 0.5, 2], depth=5)
    assert progress == list(range(1, 37))


def test_a_model_of_weight_0_changes_no_figure(beir: Path) -> None:
    dataset = read_retrieval_dataset(beir)
    fused = evaluate_fused(FusedModels(DENSE, sparse=SPARSE, weights=[1, 0]), dataset)
    alone = evaluate_retrieval(DENSE, dataset)
    assert (fused.documents, fused.missing_documents) == (alone.documents, alone.missing_documents) == (12, 1)
    assert fused.means["mrr@10"] == alone.means["mrr@10"]
    words = evaluate_fused(FusedModels(DENSE, sparse=SPARSE, weights=[0, 1]), dataset)
    assert words.means["mrr@10"] == evaluate_sparse_retrieval(SPARSE, dataset).means["mrr@10"]


def test_words_of_bm25_count_by_their_rarity(beir: Path) -> None:
    texts = ["the cat", "the dog", "the fox"]
    words = WithRarity(Bm25Encoder(), texts)
    plain = Bm25Encoder().encode_queries(["cat fox absent"])[0]
    (query,) = words.encode_queries(["cat fox absent"])
    held = {index for vector in Bm25Encoder().encode_documents(texts) for index in vector.indices.tolist()}
    rarity = [np.log(1 + 2.5 / 1.5) if index in held else np.log(1 + 3.5 / 0.5) for index in plain.indices.tolist()]
    assert query.values.tolist() == pytest.approx(rarity)
    assert words.encode_documents(texts) == list(words.stream_documents(texts)) == Bm25Encoder().encode_documents(texts)
    assert FusedModels(DENSE, bm25=Bm25Encoder()).names == ["dense", "bm25"]
    assert evaluate_fused(FusedModels(DENSE, bm25=Bm25Encoder()), read_retrieval_dataset(beir)).means["mrr@10"] > 0


def test_weights_that_do_not_fit_are_refused_before_anything_is_encoded(beir: Path) -> None:
    dense = FakeEncoder()
    with pytest.raises(InvalidInputError, match="3 weights for 2 rankings: give one for each of dense, late"):
        search_fused(FusedModels(dense, late=LATE, weights=[1, 1, 1]), read_retrieval_dataset(beir))
    assert dense.encoded == []


def test_a_corpus_without_documents_is_refused(beir: Path) -> None:
    (beir / "corpus.jsonl").write_text("")
    with pytest.raises(RecordError, match="has no documents"):
        evaluate_fused(FusedModels(DENSE, late=LATE), read_retrieval_dataset(beir))

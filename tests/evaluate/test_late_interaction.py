"""Late interaction is evaluated by max-sim of every document."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import InvalidInputError, maxsim
from embed_plugin.evaluate import (
    Document,
    evaluate_late_interaction,
    read_retrieval_dataset,
    retrieval,
    search_by_max_sim,
)
from embed_plugin.protocols import TextLateInteractionEncoder
from embed_plugin.testing import FakeLateInteractionEncoder

if TYPE_CHECKING:
    from pathlib import Path


def test_each_query_and_the_means_are_scored(beir: Path) -> None:
    progress: list[int] = []
    result = evaluate_late_interaction(
        FakeLateInteractionEncoder(), read_retrieval_dataset(beir), on_progress=progress.append
    )
    assert set(result.per_query["q1"].values()) == {1.0}
    assert result.means == pytest.approx({"ndcg@10": 2 / 3, "recall@100": 2 / 3, "mrr@10": 2 / 3})
    assert progress == list(range(1, 13))


@pytest.mark.parametrize("block", [1, 7, 1000])
def test_search_is_exact_across_blocks_and_equal_texts_go_by_id(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(retrieval, "BLOCK_TOKENS", block)
    encoder = FakeLateInteractionEncoder()
    documents = [Document(f"d{n:02}", f"a text {n % 20} " * (1 + n % 3)) for n in range(50)]
    run = search_by_max_sim(encoder, {"q": "text 3", "r": "a b c", "d07": "text 7"}, documents, depth=9)
    for query, text in (("q", "text 3"), ("r", "a b c")):
        scores = maxsim(encoder.encode_queries([text])[0], encoder.encode_documents([each.text for each in documents]))
        pairs = sorted(((float(score), each.id) for score, each in zip(scores, documents, strict=True)), reverse=True)
        assert run[query] == [(id_, score) for score, id_ in pairs[:9]]
    assert "d07" not in dict(run["d07"])


def test_the_double_is_an_encoder_and_counts_words() -> None:
    encoder = FakeLateInteractionEncoder(64)
    assert isinstance(encoder, TextLateInteractionEncoder)
    query, documents = encoder.encode_queries(["a b"])[0], encoder.encode_documents(["b c a", "b", ""])
    assert [each.shape for each in documents] == [(3, 64), (1, 64), (1, 64)]
    scores = maxsim(query, documents)
    assert scores[0] == pytest.approx(2, abs=1e-6)
    assert list(np.argsort(-scores)) == [0, 1, 2]
    assert [len(each) for each in encoder.stream_documents(iter(["a b c", "d"]), pool_factor=2)] == [2, 1]
    assert encoder.encoded == ["b c a", "b", "", "a b c", "d"]
    with pytest.raises(InvalidInputError, match="pool_factor is 0"):
        encoder.encode_documents([], pool_factor=0)

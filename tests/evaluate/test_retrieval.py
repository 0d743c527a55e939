from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import RecordError
from embed_plugin.evaluate import Document, evaluate_retrieval, read_retrieval_dataset, retrieval, search_corpus
from embed_plugin.testing import FakeEncoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


def test_each_query_and_the_means_are_scored(beir: Path) -> None:
    progress: list[int] = []
    result = evaluate_retrieval(FakeEncoder(), read_retrieval_dataset(beir), on_progress=progress.append)
    assert set(result.per_query["q1"].values()) == {1.0}
    assert set(result.per_query["q3"].values()) == {0.0}
    assert result.means == pytest.approx({"ndcg@10": 2 / 3, "recall@100": 2 / 3, "mrr@10": 2 / 3})
    assert (result.documents, result.missing_documents) == (12, 1)
    assert [len(first) for first in result.first_ten.values()] == [10, 10, 10]
    assert (result.first_ten["q1"][0], result.first_ten["q2"][0]) == ("d1", "d2")
    assert progress == list(range(1, 13))


def test_search_is_exact_across_blocks_and_equal_texts_go_by_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retrieval, "BLOCK_DOCUMENTS", 7)
    encoder = FakeEncoder()
    documents = [Document(f"d{n:02}", f"text {n % 20}") for n in range(50)]
    run = search_corpus(encoder, {"q": "text 3", "r": "other"}, documents, depth=9)
    vectors = encoder.encode_documents([document.text for document in documents]).astype(np.float64)
    for query, text in (("q", "text 3"), ("r", "other")):
        cosines = (vectors @ encoder.encode_queries([text])[0]).astype(np.float32)
        pairs = [(float(cosines[n]), document.id) for n, document in enumerate(documents)]
        assert [id_ for id_, _ in run[query]] == [id_ for _, id_ in sorted(pairs, reverse=True)[:9]]
    assert [id_ for id_, _ in run["q"][:3]] == ["d43", "d23", "d03"]


@pytest.mark.parametrize("block", [7, 13, 16])
def test_a_score_does_not_depend_on_the_place_in_a_block(monkeypatch: pytest.MonkeyPatch, block: int) -> None:
    monkeypatch.setattr(retrieval, "BLOCK_DOCUMENTS", block)
    documents = [Document(str(n), f"t{n % 20}") for n in range(40)]
    for found in search_corpus(FakeEncoder(), {f"q{n}": f"q{n}" for n in range(5)}, documents).values():
        scores = dict(found)
        assert [scores[str(n)] for n in range(20)] == [scores[str(n)] for n in range(20, 40)]


def test_documents_are_read_only_as_they_are_encoded() -> None:
    encoder, read = FakeEncoder(8), 0
    held: list[int] = []

    def documents() -> Iterator[Document]:
        nonlocal read
        for read in range(3000):
            yield Document(str(read), str(read))

    search_corpus(encoder, {"q": "1"}, documents(), depth=2, on_progress=lambda done: held.append(read + 1 - done))
    assert max(held) == 0


def test_a_query_does_not_find_itself() -> None:
    documents = [Document("same", "a text"), Document("other", "b")]
    run = search_corpus(FakeEncoder(), {"same": "a text"}, documents)
    assert [id_ for id_, _ in run["same"]] == ["other"]


def test_a_repeated_id_is_refused() -> None:
    with pytest.raises(RecordError, match="the document id 'd' more than once"):
        search_corpus(FakeEncoder(), {"q": "x"}, [Document("d", "a"), Document("d", "b")])


def test_an_empty_corpus_is_refused(beir: Path) -> None:
    (beir / "corpus.jsonl").write_text("\n")
    with pytest.raises(RecordError, match=r"corpus.jsonl has no documents"):
        evaluate_retrieval(FakeEncoder(), read_retrieval_dataset(beir))

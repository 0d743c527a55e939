"""Texts ranked for a query, in the forms of text-embeddings-inference and of Cohere and Jina, over a real socket."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embed_plugin import EncoderSettings, Reranker
from embed_plugin.model.scores import activated
from embed_plugin.serve import ServeSettings
from serve.conftest import serving, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    import httpx

    from serve.conftest import RunningServer

QUERY = "where is the cat"
TEXTS = ["the dog ran fast", "a cat sat on the mat", "water", "", "the cat is in the house"]


@pytest.fixture(scope="module")
def reranker(tiny_reranker: Callable[..., Path]) -> Reranker:
    return Reranker.load(tiny_reranker(), EncoderSettings(workers=1))


@pytest.fixture(scope="module")
def ranking(reranker: Reranker) -> Iterator[RunningServer]:
    settings = ServeSettings(port=0, texts=100, text_characters=2000, model_names=("ours",))
    with serving(reranker, settings) as running:
        yield running


@contextmanager
def held_queue(reranker: Reranker) -> Iterator[None]:
    """Let the runs of a reranker wait until the block ends."""
    queue, gate = reranker.runtime.queue, threading.Event()
    run = queue._run
    queue._run = lambda ids: (gate.wait(), run(ids))[1]
    try:
        yield
    finally:
        gate.set()


def rerank(server: RunningServer, path: str = "/rerank", **fields: object) -> httpx.Response:
    return server.client.post(path, json={"query": QUERY, **fields})


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_raw_scores_are_the_rerankers_bit_for_bit_best_first(
    ranking: RunningServer, reranker: Reranker, path: str
) -> None:
    answer = rerank(ranking, path, texts=TEXTS, raw_scores=True)
    assert answer.status_code == 200
    ranked = [(each["index"], each["score"]) for each in answer.json()]
    assert reranker.spec.facts["activation"] == "identity"
    assert ranked == reranker.rank(QUERY, TEXTS)
    assert answer.headers["embed-fingerprint"] == reranker.fingerprint
    assert int(answer.headers["embed-tokens"]) == reranker.count_tokens([(QUERY, text) for text in TEXTS]).sum()


def test_scores_are_from_0_to_1_unless_raw_ones_are_asked_for(ranking: RunningServer, reranker: Reranker) -> None:
    answer = rerank(ranking, texts=TEXTS, raw_scores=None, return_text=True).json()
    raw = reranker.score(QUERY, TEXTS)
    for each in answer:
        assert each["score"] == np.float32(activated(float(raw[each["index"]]), "sigmoid"))
        assert each["text"] == TEXTS[each["index"]]
    assert "text" not in rerank(ranking, texts=TEXTS).json()[0]


@pytest.mark.parametrize("path", ["/rerank", "/v1/rerank"])
def test_documents_are_answered_as_cohere_and_jina_do(ranking: RunningServer, reranker: Reranker, path: str) -> None:
    documents = [TEXTS[0], {"text": TEXTS[1]}, *TEXTS[2:]]
    fields: dict[str, Any] = {"documents": documents, "top_n": 2, "return_documents": True, "model": "ours"}
    answer = rerank(ranking, path, **fields).json()
    expected = [
        {"index": index, "relevance_score": score, "document": {"text": TEXTS[index]}}
        for index, score in reranker.rank(QUERY, TEXTS, top_k=2)
    ]
    assert answer["results"] == expected
    tokens = int(reranker.count_tokens([(QUERY, text) for text in TEXTS]).sum())
    assert (answer["model"], answer["usage"]["total_tokens"]) == ("ours", tokens)
    assert answer["meta"] == {"tokens": {"input_tokens": tokens}}
    without = rerank(ranking, path, documents=TEXTS).json()["results"]
    assert [set(each) for each in without] == [{"index", "relevance_score"}] * len(TEXTS)


def test_no_texts_have_no_ranks(ranking: RunningServer) -> None:
    assert rerank(ranking, texts=[]).json() == []
    assert rerank(ranking, documents=[]).json()["results"] == []


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({}, "either texts or documents"),
        ({"texts": ["a"], "documents": ["a"]}, "either texts or documents"),
        ({"texts": ["a"], "top_n": 1}, "top_n does not go with texts"),
        ({"documents": ["a"], "raw_scores": True}, "raw_scores does not go with documents"),
        ({"documents": ["a"], "top_n": 0}, "top_n"),
        ({"documents": [{"text": "a", "id": 1}]}, "text 0"),
        ({"texts": ["a"], "max_chunks_per_doc": 2}, "max_chunks_per_doc"),
        ({"texts": ["a"], "query": " "}, "query"),
        ({"texts": ["a"], "query": "\x00"}, "query"),
        ({"texts": ["a"], "query": 3}, "query"),
        ({"texts": ["a"], "instruction": "find it"}, "query or instruction: "),
    ],
)
def test_what_cannot_be_meant_is_refused(ranking: RunningServer, fields: dict[str, Any], problem: str) -> None:
    for path, status in (("/rerank", {422}), ("/v1/rerank", {400, 422})):
        answer = rerank(ranking, path, **fields)
        assert answer.status_code in status
        assert problem in answer.json()["error"]["message"]


def test_errors_name_the_text(ranking: RunningServer) -> None:
    odd = rerank(ranking, texts=["a", 3])
    assert (odd.status_code, odd.json()["error"]["code"], odd.json()["error"]["index"]) == (422, "invalid_text", 1)
    assert rerank(ranking, "/v1/rerank", documents=["a", "b", 3]).json()["error"]["param"] == "documents[2]"
    long = rerank(ranking, texts=["a", "cat " * 200], truncate=False)
    assert (long.status_code, long.json()["error"]["code"], long.json()["error"]["index"]) == (413, "text_too_long", 1)
    assert "beside the query" in long.json()["error"]["message"]
    assert rerank(ranking, texts=["a", "cat " * 200]).headers["embed-truncated"] == "1"


def test_query_and_texts_count_for_the_limits(ranking: RunningServer) -> None:
    assert rerank(ranking, texts=["cat"] * 99).status_code == 200
    assert rerank(ranking, texts=["cat"] * 100).json()["error"]["code"] == "too_many_texts"
    assert rerank(ranking, documents=["cat"] * 100).json()["error"]["code"] == "too_many_texts"
    refused = rerank(ranking, query="cat " * 300, texts=["cat " * 300], truncate=False)
    assert "1200 characters beside a query of 1200, at most 2000" in refused.json()["error"]["message"]


def test_the_model_is_named_and_no_other_route_takes_it(ranking: RunningServer, reranker: Reranker) -> None:
    assert rerank(ranking, texts=["a"], model=reranker.fingerprint).status_code == 200
    missing = rerank(ranking, texts=["a"], model="rerank-v3.5")
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "model_not_found")
    assert "'ours' (a reranker, fingerprint" in missing.json()["error"]["message"]
    embedded = ranking.embed(["a"])
    assert embedded.status_code == 404
    assert "needs an embedding model, and there is none here" in embedded.json()["error"]["message"]
    info = ranking.client.get("/info").json()
    assert (info["model"], info["kind"]) == ("ours", "reranker")
    assert ranking.client.get("/health/ready").json()["fingerprint"] == reranker.fingerprint


def test_a_deadline_drops_the_work(tiny_reranker: Callable[..., Path]) -> None:
    reranker = Reranker.load(tiny_reranker(), EncoderSettings(workers=1))
    with serving(reranker) as server, held_queue(reranker):
        headers = {"Embed-Deadline-Ms": "50"}
        late = server.client.post("/rerank", json={"query": QUERY, "texts": ["cat " * 20] * 80}, headers=headers)
        assert (late.status_code, late.json()["error"]["code"]) == (504, "deadline_exceeded")
        wait_until(lambda: server.service.scheduler.admission.waiting("bulk") == 0)


def test_openapi_has_both_routes(ranking: RunningServer) -> None:
    described = ranking.client.get("/openapi.json").json()
    assert {"/rerank", "/v1/rerank"} <= described["paths"].keys()
    assert "return_documents" in described["components"]["schemas"]["RerankRequest"]["properties"]
    assert "raw_scores" in ranking.client.get("/docs").text

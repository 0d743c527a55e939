"""The client against a service of an encoder, another and a reranker."""

from __future__ import annotations

import asyncio
import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import (
    Encoder,
    EndpointError,
    InvalidInputError,
    InvalidTextError,
    OtherSpaceError,
    Reranker,
)
from embed_plugin.client import (
    AsyncEmbeddingClient,
    ClientSettings,
    CohereEndpoint,
    EmbeddingClient,
    ServiceEndpoint,
)
from embed_plugin.client.response_content import ranked_scores
from embed_plugin.protocols import TextReranker
from support.embedding_server import HASTY
from support.service import Service

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

QUERY = "where is the cat"
TEXTS = [f"the cat {'sat ' * (number % 7)}on mat {number}" for number in range(120)]
NAMES = ("--model-name", "small", "--model-name", "other", "--model-name", "ranks")


@pytest.fixture(scope="module")
def service(tiny_model: Callable[..., Path], tiny_reranker: Callable[..., Path]) -> Iterator[Service]:
    others = (str(tiny_model(pooling="cls")), str(tiny_reranker()))
    with Service(tiny_model(), *others, *NAMES, "--max-texts", "50") as service:
        yield service


@pytest.fixture(scope="module")
def reranker(tiny_reranker: Callable[..., Path]) -> Reranker:
    return Reranker.load(tiny_reranker())


def test_scores_are_the_rerankers_bit_for_bit(service: Service, reranker: Reranker) -> None:
    with EmbeddingClient(ServiceEndpoint(service.url, model="ranks"), settings=HASTY) as client:
        assert isinstance(client, TextReranker)
        assert client.fingerprint == reranker.fingerprint
        np.testing.assert_array_equal(client.score(QUERY, TEXTS), reranker.score(QUERY, TEXTS))
        assert client.rank(QUERY, TEXTS, top_k=3) == reranker.rank(QUERY, TEXTS, top_k=3)
        assert client.score(QUERY, []).shape == (0,)
        copy = pickle.loads(pickle.dumps(client))  # noqa: S301 - our own
        assert copy.rank(QUERY, TEXTS[:2]) == reranker.rank(QUERY, TEXTS[:2])
        copy.close()


def test_an_encoder_of_several_is_named(service: Service, tiny_model: Callable[..., Path]) -> None:
    encoder = Encoder.load(tiny_model(pooling="cls"))
    with EmbeddingClient(ServiceEndpoint(service.url, model="other")) as client:
        np.testing.assert_array_equal(client.encode_queries(TEXTS), encoder.encode_queries(TEXTS))
        np.testing.assert_array_equal(client.count_tokens(TEXTS), encoder.count_tokens(TEXTS))


def test_a_model_that_is_no_reranker_and_one_that_is_not_there_are_refused(service: Service) -> None:
    with EmbeddingClient(service.url, settings=HASTY) as client, pytest.raises(OtherSpaceError, match="not a reranker"):
        client.score(QUERY, TEXTS)
    with (
        EmbeddingClient(ServiceEndpoint(service.url, model="ada"), settings=HASTY) as client,
        pytest.raises(OtherSpaceError, match="no model 'ada' here"),
    ):
        client.score(QUERY, TEXTS)


def test_errors_have_the_callers_index(service: Service) -> None:
    strict = ClientSettings(on_long="error")
    endpoint = ServiceEndpoint(service.url, model="ranks")
    with EmbeddingClient(endpoint, settings=strict) as client:
        with pytest.raises(InvalidTextError, match="beside the query") as long:
            client.score(QUERY, [*TEXTS[:70], "cat " * 600])
        assert long.value.index == 70
        for query in ("", " ", 3):
            with pytest.raises(InvalidInputError, match="the query"):
                client.score(query, TEXTS)  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="instruction"):
            client.score(QUERY, TEXTS[:2], instruction="find it")
    with EmbeddingClient(endpoint) as client:
        client.score(QUERY, ["cat " * 600, "a"])
        assert client._client.cut_texts == 1


def test_asyncio_and_an_api_that_ranks_none(
    service: Service, reranker: Reranker, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def score() -> np.ndarray:
        async with AsyncEmbeddingClient(ServiceEndpoint(service.url, model="ranks")) as client:
            return await client.score(QUERY, TEXTS)

    np.testing.assert_array_equal(asyncio.run(score()), reranker.score(QUERY, TEXTS))
    monkeypatch.setenv("COHERE_API_KEY", "secret")
    cohere = CohereEndpoint("embed-v4.0", 3, url="https://127.0.0.1:1")
    with EmbeddingClient(cohere, settings=HASTY) as client, pytest.raises(EndpointError, match="ranks no texts"):
        client.score(QUERY, TEXTS)


@pytest.mark.parametrize(
    "results",
    [
        [{"index": 0, "relevance_score": 1.0}],
        [{"index": 0, "relevance_score": 1.0}, {"index": 0, "relevance_score": 2.0}],
        [{"index": 0, "relevance_score": 1.0}, {"index": 2, "relevance_score": 2.0}],
        [{"index": 0, "relevance_score": 1.0}, {"index": 1, "relevance_score": "2"}],
        [{"index": 0, "relevance_score": 1.0}, {"index": 1, "relevance_score": 1e300}],
        {},
    ],
)
def test_results_that_are_not_one_score_a_text_are_refused(results: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        ranked_scores({"results": results}, 2)

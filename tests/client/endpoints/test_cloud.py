from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EndpointError, InvalidInputError
from embed_plugin.client import CohereEndpoint, EmbeddingClient, OpenAIEndpoint
from support.embedding_server import HASTY, EmbeddingServer, answer

if TYPE_CHECKING:
    from embed_plugin import Encoder

TEXTS = [f"the cat sat on mat {number}" for number in range(20)]


@pytest.fixture(autouse=True)
def keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-open")
    monkeypatch.setenv("COHERE_API_KEY", "co-key")


def openai(server: EmbeddingServer, dimension: int = 32, *, shorten: bool = False) -> OpenAIEndpoint:
    return OpenAIEndpoint("text-embedding-3-small", dimension=dimension, url=f"{server.url}/v1", shorten=shorten)


def test_openais_api_is_spoken(server: EmbeddingServer, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(openai(server), settings=HASTY) as client:
        found = client.embed(TEXTS)
    assert np.allclose(found.vectors, tiny_encoder.encode_documents(TEXTS), atol=1e-6)
    seen = next(seen for seen in server.posts("/v1/embeddings") if TEXTS[0] in seen.body["input"])
    assert seen.headers["Authorization"] == "Bearer sk-open"
    assert seen.body == {"model": "text-embedding-3-small", "input": TEXTS[:8], "encoding_format": "base64"}
    host = server.url.removeprefix("http://")
    assert (found.fingerprint, found.model) == (f"{host}/text-embedding-3-small/32", "text-embedding-3-small")


def test_numbers_instead_of_base64_are_read(server: EmbeddingServer) -> None:
    server.faults.append(answer({"data": [{"index": 0, "embedding": [3.0, 4.0]}]}))
    with EmbeddingClient(openai(server, 2)) as client:
        assert np.allclose(client.encode_queries(["a"]), [[0.6, 0.8]])


def test_coheres_api_is_spoken(server: EmbeddingServer, tiny_encoder: Encoder) -> None:
    with EmbeddingClient(CohereEndpoint("embed-v4.0", dimension=32, url=server.url), settings=HASTY) as client:
        assert np.allclose(client.encode_documents(TEXTS[:8]), tiny_encoder.encode_documents(TEXTS[:8]), atol=1e-6)
        assert np.allclose(client.encode_queries(["a"]), tiny_encoder.encode_queries(["a"]), atol=1e-6)
    seen = server.posts("/v2/embed")
    assert seen[0].headers["Authorization"] == "Bearer co-key"
    assert seen[0].body == {
        "model": "embed-v4.0",
        "texts": TEXTS[:8],
        "input_type": "search_document",
        "embedding_types": ["float"],
        "truncate": "END",
    }
    assert seen[-1].body["input_type"] == "search_query"


@pytest.mark.parametrize("api", ["openai", "cohere"])
def test_shortened_vectors_are_asked_for_and_of_unit_length(server: EmbeddingServer, api: str) -> None:
    endpoint = openai(server, 16, shorten=True)
    if api == "cohere":
        endpoint = CohereEndpoint("embed-v4.0", dimension=16, url=server.url, shorten=True)  # type: ignore[assignment]
    with EmbeddingClient(endpoint) as client:
        vectors = client.encode_documents(TEXTS)
    assert vectors.shape == (20, 16)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-6)
    assert 16 in server.seen[-1].body.values()


def test_another_length_than_promised_is_refused_with_the_remedy(server: EmbeddingServer) -> None:
    with (
        EmbeddingClient(openai(server, 8)) as client,
        pytest.raises(EndpointError, match="set dimension=32, or shorten"),
    ):
        client.encode_documents(["a"])


@pytest.mark.parametrize(
    "content",
    [
        {"data": []},
        {"data": [{"index": 0, "embedding": [0.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": [1.0, float("nan")]}]},
        {"data": [{"index": 3, "embedding": [1.0, 0.0]}]},
        {"data": [{"index": 0, "embedding": "%"}]},
        {"error": "odd"},
    ],
)
def test_an_answer_that_is_no_vector_is_refused(server: EmbeddingServer, content: object) -> None:
    server.faults.append(answer(content))
    with EmbeddingClient(openai(server, 2)) as client, pytest.raises(EndpointError, match="cannot be used"):
        client.encode_documents(["a"])


def test_coheres_own_limit_of_texts_is_kept(server: EmbeddingServer) -> None:
    with EmbeddingClient(CohereEndpoint("embed-v4.0", dimension=32, url=server.url)) as client:
        client.encode_documents(["the cat"] * 100)
    assert sorted(len(seen.body["texts"]) for seen in server.posts("/v2/embed")) == [4, 96]  # sent at the same time


def test_refused_texts_are_named_by_the_callers_indices(server: EmbeddingServer) -> None:
    server.faults.append(answer({"message": "invalid request: too long"}, 400))
    with (
        EmbeddingClient(CohereEndpoint("embed-v4.0", dimension=32, url=server.url), settings=HASTY) as client,
        pytest.raises(InvalidInputError, match=r"embed-v4.0 refuses the texts: 400 .*too long .texts 0 to 7"),
    ):
        client.encode_documents(TEXTS[:8])


def test_a_cloud_model_counts_no_tokens_and_says_so(server: EmbeddingServer) -> None:
    with EmbeddingClient(openai(server)) as client, pytest.raises(EndpointError, match="counts no tokens"):
        client.count_tokens(["a"])
    assert server.seen == []


def test_a_missing_key_is_named_before_anything_is_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COHERE_API_KEY")
    monkeypatch.setenv("OPENAI_API_KEY", " ")
    with pytest.raises(InvalidInputError, match="COHERE_API_KEY"):
        EmbeddingClient("http://there", fallbacks=[CohereEndpoint("embed-v4.0", dimension=1536)])
    with pytest.raises(InvalidInputError, match="OPENAI_API_KEY"):
        EmbeddingClient(OpenAIEndpoint("text-embedding-3-small", dimension=1536))


def test_a_compatible_server_needs_no_key(server: EmbeddingServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    with EmbeddingClient(openai(server)) as client:
        client.encode_queries(["a"])
    assert "Authorization" not in server.seen[-1].headers


def test_one_provider_makes_two_hosts_one_space(server: EmbeddingServer, twin: EmbeddingServer) -> None:
    first, second = (
        OpenAIEndpoint("m", dimension=32, url=f"{each.url}/v1", provider="ours") for each in (server, twin)
    )
    with EmbeddingClient(first, fallbacks=[second], settings=HASTY) as client:
        server.close()
        assert client.embed(TEXTS).endpoints == (second.name,)
        assert client.fingerprint == "ours/m/32"


def test_prefixes_are_sent_and_are_part_of_the_space(server: EmbeddingServer) -> None:
    plain = openai(server)
    prefixed = replace(plain, query_prefix="query: ", document_prefix="passage: ")
    with EmbeddingClient(prefixed) as client:
        client.encode_documents(["a"])
        client.encode_queries(["b"])
    assert [seen.body["input"] for seen in server.seen] == [["passage: a"], ["query: b"]]
    assert prefixed.space.fingerprint == f"{plain.space.fingerprint}/['query: ', 'passage: ']"


@pytest.mark.parametrize(("model", "dimension"), [("", 3), ("m", 0), ("m", "3")])
def test_a_model_without_name_or_length_is_refused(model: str, dimension: int) -> None:
    with pytest.raises(InvalidInputError, match="expected the model's name"):
        OpenAIEndpoint(model, dimension=dimension)

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from embed_plugin import EndpointError, EndpointUnavailableError, InvalidInputError, OtherSpaceError
from embed_plugin.client import AsyncEmbeddingClient, EmbeddingClient, OpenAIEndpoint
from support.embedding_server import HASTY, OPENS_FOR_GOOD, EmbeddingServer, answer, refuse

if TYPE_CHECKING:
    from embed_plugin import Encoder

TEXTS = [f"the cat sat on mat {number}" for number in range(50)]


def test_the_same_model_elsewhere_fills_in_at_once(
    server: EmbeddingServer, twin: EmbeddingServer, tiny_encoder: Encoder
) -> None:
    with EmbeddingClient(server.url, fallbacks=[twin.url], settings=HASTY) as client:
        server.faults.extend([refuse(503, "draining", Retry_After="3600")] * 3)
        found = client.embed(TEXTS)
        assert np.array_equal(found.vectors, tiny_encoder.encode_documents(TEXTS))
        assert sorted(found.endpoints) == sorted([server.url, twin.url])
        assert found.fingerprint == tiny_encoder.fingerprint
        assert client.circuits == {server.url: "open", twin.url: "closed"}


def test_an_endpoint_whose_circuit_is_open_is_not_asked(server: EmbeddingServer, twin: EmbeddingServer) -> None:
    with EmbeddingClient(server.url, fallbacks=[twin.url], settings=OPENS_FOR_GOOD) as client:
        server.faults.extend([refuse(502)] * 3)
        for _ in range(10):
            client.encode_queries(["the cat"])
        assert (len(server.posts()), len(twin.posts())) == (3, 10)


def test_a_wrong_key_at_the_first_is_logged_and_the_second_answers(
    server: EmbeddingServer, twin: EmbeddingServer, caplog: pytest.LogCaptureFixture
) -> None:
    with EmbeddingClient(server.url, fallbacks=[twin.url], settings=HASTY) as client:
        server.faults.append(refuse(401, "unauthorized"))
        assert client.embed(["the cat"]).endpoints == (twin.url,)
    assert "refuses the key" in caplog.text


PAGE = b"<html><h1>400 Bad Request</h1><center>nginx</center></html>"


@pytest.mark.parametrize("status", [400, 413, 422])
@pytest.mark.parametrize("content", [PAGE, b"", {"message": "Bad Request"}, {"error": {"message": "m", "code": "waf"}}])
def test_what_a_proxy_refuses_the_second_answers(
    server: EmbeddingServer, twin: EmbeddingServer, status: int, content: object
) -> None:
    with EmbeddingClient(server.url, fallbacks=[twin.url], settings=HASTY) as client:
        server.faults.append(answer(content, status))
        assert client.embed(["the cat"]).endpoints == (twin.url,)
        assert client.circuits == {server.url: "closed", twin.url: "closed"}


def test_a_proxys_limit_names_the_setting(server: EmbeddingServer, client: EmbeddingClient) -> None:
    server.faults.append(answer(PAGE, 413))
    with pytest.raises(EndpointError, match=r"413 .*A proxy may allow smaller bodies.*Lower request_texts"):
        client.encode_documents(["the cat"])


def test_another_model_is_refused_and_gets_no_text(
    server: EmbeddingServer, stranger: EmbeddingServer, tiny_encoder: Encoder
) -> None:
    cloud = OpenAIEndpoint("large", dimension=32, url=f"{stranger.url}/v1")
    with EmbeddingClient(server.url, fallbacks=[stranger.url, cloud], settings=OPENS_FOR_GOOD) as client:
        assert client.fingerprint == tiny_encoder.fingerprint
        server.close()
        for ask in (client.encode_documents, client.encode_queries, client.embed, client.count_tokens):
            with pytest.raises(EndpointUnavailableError, match="Vectors of two models cannot be compared") as refused:
                ask(["the cat"])
            assert "on_other_space='return'" in str(refused.value)
            assert server.url in str(refused.value)
        with pytest.raises(EndpointUnavailableError):
            list(client.stream_documents(["the cat"]))
    assert stranger.posts("/v1/embeddings") == []


def test_whoever_names_the_policy_gets_the_other_space_by_its_name(
    server: EmbeddingServer, stranger: EmbeddingServer
) -> None:
    with EmbeddingClient(server.url, fallbacks=[stranger.url], settings=HASTY) as client:
        assert client.embed(TEXTS, on_other_space="return").fingerprint == client.fingerprint
        server.close()
        found = client.embed(TEXTS, on_other_space="return")
        assert (found.fingerprint, found.endpoints) == ("other", (stranger.url,))
        assert np.array_equal(found.vectors, stranger.encoder.encode_documents(TEXTS))
        assert client.fingerprint != "other"


def test_the_vectors_of_a_call_are_never_of_two_spaces(server: EmbeddingServer, stranger: EmbeddingServer) -> None:
    settings = replace(OPENS_FOR_GOOD, in_flight=1)
    with EmbeddingClient(server.url, fallbacks=[stranger.url], settings=settings) as client:
        client.encode_documents(TEXTS[:16])
        server.faults.extend([None, None, refuse(503), refuse(503), refuse(503)])
        found = client.embed(TEXTS, on_other_space="return")
        assert np.array_equal(found.vectors, stranger.encoder.encode_documents(TEXTS))


def test_without_any_endpoint_the_policy_says_what_was_tried(
    server: EmbeddingServer, stranger: EmbeddingServer
) -> None:
    server.close()
    stranger.close()
    with (
        EmbeddingClient(server.url, fallbacks=[stranger.url], settings=OPENS_FOR_GOOD) as client,
        pytest.raises(EndpointUnavailableError, match=rf"{server.url}.*{stranger.url}"),
    ):
        client.embed(["a"], on_other_space="return")


def test_an_unknown_policy_is_refused(client: EmbeddingClient) -> None:
    with pytest.raises(InvalidInputError, match="on_other_space is 'mix'"):
        client.embed(["a"], on_other_space="mix")  # type: ignore[arg-type]


def test_a_fallback_never_decides_the_space(server: EmbeddingServer, stranger: EmbeddingServer) -> None:
    server.close()
    with (
        EmbeddingClient(server.url, fallbacks=[stranger.url], settings=OPENS_FOR_GOOD) as client,
        pytest.raises(EndpointUnavailableError, match="pass fingerprint= to allow that"),
    ):
        client.encode_queries(["a"])
    assert stranger.seen == []


def test_with_a_fingerprint_the_fallback_answers_from_the_start(
    server: EmbeddingServer, twin: EmbeddingServer, tiny_encoder: Encoder
) -> None:
    server.close()
    fingerprint = tiny_encoder.fingerprint
    with EmbeddingClient(server.url, fallbacks=[twin.url], fingerprint=fingerprint, settings=HASTY) as client:
        assert client.embed(TEXTS).endpoints == (twin.url,)
        assert client.dimension == 32


def test_an_endpoint_of_another_space_than_the_pinned_is_refused(server: EmbeddingServer) -> None:
    with (
        EmbeddingClient(server.url, fingerprint="pinned", settings=OPENS_FOR_GOOD) as client,
        pytest.raises(OtherSpaceError, match="this client's is pinned"),
    ):
        client.encode_queries(["a"])
    assert server.posts() == []


def test_a_model_that_is_exchanged_under_a_client_is_refused(
    server: EmbeddingServer, stranger: EmbeddingServer, client: EmbeddingClient
) -> None:
    client.encode_queries(["a"])
    server.encoder = stranger.encoder
    with pytest.raises(OtherSpaceError, match="serves another model"):
        client.encode_queries(["a"])
    with pytest.raises(OtherSpaceError, match="in the space other"):
        client.count_tokens(["a"])
    assert client.circuits == {server.url: "closed"}


def test_the_async_client_falls_back_too(
    server: EmbeddingServer, twin: EmbeddingServer, stranger: EmbeddingServer
) -> None:
    async def both() -> None:
        fallbacks = [stranger.url, twin.url]
        async with AsyncEmbeddingClient(server.url, fallbacks=fallbacks, settings=HASTY) as client:
            await client.space()
            server.close()
            many = await asyncio.gather(*(client.embed([text]) for text in TEXTS))
            assert {found.endpoints for found in many} == {(twin.url,)}
            twin.close()
            other = await client.embed(TEXTS, on_other_space="return")
            assert other.fingerprint == "other"

    asyncio.run(both())
